#include <algorithm>
#include <new>
#include <utility>

#include "actors/host/generation.hpp"
#include "actors/host/model.hpp"
#include "kernels/floating_point.hpp"

namespace troupe {
namespace {

Error refused(const std::string& why) { return {Code::invalid_argument, why}; }

void check_ids(const Checkpoint& checkpoint, std::span<const TokenId> ids) {
  if (ids.empty()) throw refused("the prompt is empty, or nothing in it is a token; it needs at least one");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && static_cast<std::uint32_t>(ids[i]) < checkpoint.vocabulary()) continue;
    throw host::unknown_id(ids[i], i, checkpoint.vocabulary());
  }
}

void check_length(std::size_t tokens, std::uint32_t context, const std::string& at_least = "") {
  if (tokens <= context) return;
  throw refused("the prompt has " + at_least + std::to_string(tokens) + " tokens; the context holds " +
                std::to_string(context) + " positions");
}

void check_prompt(const Model::Impl& model, std::span<const TokenId> ids) {
  check_ids(model.checkpoint, ids);
  check_length(ids.size(), model.context());
}

void check_salt(const std::string& salt) {
  constexpr std::size_t longest = 1024;
  if (salt.size() <= longest) return;
  throw refused("cache_salt has " + std::to_string(salt.size()) + " bytes; it may have " + std::to_string(longest));
}

void check_first(std::uint32_t first, std::size_t ids) {
  if (first < ids) return;
  throw refused("first is " + std::to_string(first) + "; the last of " + std::to_string(ids) + " ids has position " +
                std::to_string(ids - 1));
}

void check_min_tokens(std::uint32_t least, std::uint32_t most) {
  if (least <= most) return;
  throw refused("min_tokens is " + std::to_string(least) + "; max_tokens and the context leave room for " +
                std::to_string(most));
}

void check_logprobs(const std::optional<std::uint32_t>& count) {
  constexpr std::uint32_t most = 20;
  if (count.value_or(0) <= most) return;
  throw refused("logprobs is " + std::to_string(*count) + "; it must be between 0 and " + std::to_string(most));
}

std::shared_ptr<const std::string> shared(const std::string& user) {
  return user.empty() ? nullptr : std::make_shared<const std::string>(user);
}

TextTerms terms_of(const GenerateOptions& options, std::size_t prompt, std::uint32_t context) {
  // The last token to be sampled needs no position of its own.
  const auto room = static_cast<std::uint32_t>(context - prompt + 1);
  TextTerms terms;
  terms.fills_context = options.max_tokens == 0 || options.max_tokens > room;
  terms.max_tokens = terms.fills_context ? room : options.max_tokens;
  terms.ignore_end = options.ignore_end;
  if (!options.stop.empty()) terms.stop = StopStrings::create(options.stop).value();
  return terms;
}

/// What both kinds of requests have.
template <class Options>
std::shared_ptr<actors::Request> request_of(SequenceId id, const Options& options) {
  check_salt(options.cache_salt);
  auto request = std::make_shared<actors::Request>();
  request->sequence.id = id;
  request->sequence.priority = options.priority;
  request->sequence.cache_salt = options.cache_salt;
  request->sequence.user = shared(options.user);
  if (options.deadline) request->deadline = host::after(*options.deadline);
  return request;
}

std::shared_ptr<actors::Request> request_of(Model::Impl& model, std::vector<TokenId> prompt,
                                            const GenerateOptions& options) {
  check_prompt(model, prompt);
  if (auto checked = check_sampling(options.sampling, model.checkpoint.vocabulary()); !checked) throw checked.error();
  check_logprobs(options.logprobs);
  auto request = request_of(model.draw_id(), options);
  request->terms = terms_of(options, prompt.size(), model.context());
  check_min_tokens(options.min_tokens, request->terms.max_tokens);
  request->sequence.max_tokens = request->terms.max_tokens;
  request->sequence.sampling = std::make_shared<const SamplingTerms>(sampling_terms(
      options.sampling, options.min_tokens, prompt.size(), *model.checkpoint.impl()->tokenizer, model.breakers));
  request->sequence.surprise_bound = 2 * options.sampling.mirostat_tau;
  request->sequence.prompt = std::move(prompt);
  request->sequence.logprobs = options.logprobs;
  return request;
}

/// Takes a request, or tells the log why not.
template <class Take>
auto taken(const actors::Log& log, const Take& take) {
  try {
    return take();
  } catch (const Error& error) {
    log(LogLevel::warning, [&] { return "a request is refused: " + error.message(); });
    throw;
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, [] { return "a request is refused: out of memory"; });
    throw Error(Code::out_of_memory, "there is no memory for the request");
  }
}

/// A text's ids. One that must be too long is refused before that: what tokenising takes is many times the text.
std::vector<TokenId> ids_of(const Model::Impl& model, std::string_view text, bool parse_special) {
  return taken(model.log(), [&] {
    const std::size_t longest = std::max<std::size_t>(model.checkpoint.impl()->tokenizer->longest(), 1);
    check_length(text.size() / longest, model.context(), "at least ");
    return model.checkpoint.prompt(text, parse_special);
  });
}

}  // namespace

Generation Model::generate(std::string_view prompt, const GenerateOptions& options) const {
  return generate(ids_of(host::held(impl_, "the model"), prompt, options.parse_special), options);
}

Generation Model::generate(std::vector<TokenId> prompt, const GenerateOptions& options) const {
  const kernels::FloatingPointScope floats;
  const std::shared_ptr<Impl> impl = impl_;  // a callback may let go of this object
  return taken(host::held(impl, "the model").log(),
               [&] { return impl->submit(request_of(*impl, std::move(prompt), options)); });
}

std::vector<Generation> Model::generate_texts(const std::vector<TokenId>& prompt, std::uint32_t count,
                                              const GenerateOptions& options) const {
  std::vector<Generation> texts;
  GenerateOptions each = options;
  for (std::uint32_t i = 0; i < count; ++i, ++each.sampling.choice) texts.push_back(generate(prompt, each));
  return texts;
}

Request Model::generate(std::string_view prompt, const GenerateOptions& options, StreamCallbacks callbacks) const {
  return generate(ids_of(host::held(impl_, "the model"), prompt, options.parse_special), options, std::move(callbacks));
}

Request Model::generate(std::vector<TokenId> prompt, const GenerateOptions& options, StreamCallbacks callbacks) const {
  const kernels::FloatingPointScope floats;
  const std::shared_ptr<Impl> impl = impl_;
  return taken(host::held(impl, "the model").log(),
               [&] { return impl->submit(request_of(*impl, std::move(prompt), options), std::move(callbacks)); });
}

void Model::logits(std::vector<TokenId> ids, bool every_position, const LogitsSink& sink,
                   const LogitsOptions& options) const {
  const kernels::FloatingPointScope floats;
  Impl& impl = host::held(impl_, "the model");
  impl.check_wait();
  if (!sink) throw Error(Code::invalid_argument, "the logits sink is empty; logits need somewhere to go");
  if (options.cancel.stop_requested()) throw Error(Code::cancelled, "the request was cancelled");
  const SequenceId id = impl.draw_id();
  const LogitsSinks::Entry entry(impl.sinks(), id, sink);
  Generation stream = taken(impl.log(), [&] {
    check_prompt(impl, ids);
    check_first(options.first, ids.size());
    auto request = request_of(id, options);
    request->sequence.first_wanted = every_position ? options.first : static_cast<std::uint32_t>(ids.size() - 1);
    request->sequence.prompt = std::move(ids);
    return impl.submit(std::move(request));
  });
  const std::stop_callback cancel(options.cancel, [&]() noexcept {
    try {
      stream.cancel();
    } catch (...) {  // no memory for the message: the request goes on to its end
    }
  });
  while (stream.next()) {
  }
}

}  // namespace troupe
