#include "actors/host/model.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "actors/host/generation.hpp"
#include "kernels/floating_point.hpp"

namespace troupe {
namespace {

void check_ids(const Checkpoint& checkpoint, std::span<const TokenId> ids) {
  if (ids.empty())
    throw Error(Code::invalid_argument, "the prompt is empty, or nothing in it is a token; it needs at least one");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && static_cast<std::uint32_t>(ids[i]) < checkpoint.vocabulary()) continue;
    throw host::unknown_id(ids[i], i, checkpoint.vocabulary());
  }
}

void check_sampling(const Sampling& sampling) {
  if (!(sampling.temperature >= 0.0F && sampling.temperature <= 1e6F)) {
    throw Error(Code::invalid_argument, "temperature must be between 0 and 1000000");
  }
  if (!(sampling.top_p > 0.0F && sampling.top_p <= 1.0F)) {
    throw Error(Code::invalid_argument, "top_p must be above 0 and at most 1");
  }
}

void check_length(std::size_t tokens, std::uint32_t context) {
  if (tokens <= context) return;
  throw Error(Code::invalid_argument, "the prompt has " + std::to_string(tokens) + " tokens; the context holds " +
                                          std::to_string(context) + " positions");
}

/// A clock counts nanoseconds, and overflows where milliseconds do not.
std::chrono::steady_clock::time_point after(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds none{0}, longest = std::chrono::years(100);
  return std::chrono::steady_clock::now() + std::clamp(time, none, longest);
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

}  // namespace

Model::Impl::Impl(std::shared_ptr<Runtime::Impl> runtime, Checkpoint opened, const LoadOptions& options,
                  std::uint32_t context, host::Deployment deployment)
    : checkpoint(std::move(opened)),
      runtime_(std::move(runtime)),
      context_(context),
      places_(std::size_t{options.queue} + options.parallel),
      most_open_(deployment.replicas.size() * places_),
      sinks_(deployment.sinks) {
  // The tokenizer looks into the file, which stays open as long as an actor knows of it.
  const std::shared_ptr<const Tokenizer> tokenizer(checkpoint.impl(), checkpoint.impl()->tokenizer.get());
  builder_ = std::move(deployment.builder);
  ensemble_ = std::make_unique<host::Ensemble>(runtime_->control(), std::move(deployment.replicas), builder_, tokenizer,
                                               log(), deployment.limit);
}

Model::Impl::~Impl() {
  // Nobody holds a Generation any more. Of what is under way, the steps that are being run come to their end.
  const kernels::FloatingPointScope floats;  // the log is the host's
  ensemble_.reset();
  builder_->close();
  log()(LogLevel::info, [&] { return "closed " + checkpoint.impl()->file.path; });
}

void Model::Impl::check_wait() const {
  process_.check();
  if (!runtime_->control().on_this_thread() && !builder_->on_its_thread()) return;
  throw Error(Code::invalid_argument,
              "this thread runs the model (in on_step, a logits sink or the log callback), which cannot go on while it "
              "waits for itself; wait on a thread of the host's");
}

/// One place among those that may run and wait; given back when the last copy of it goes.
std::shared_ptr<void> Model::Impl::take_place() {
  for (std::size_t before = *open_; before < most_open_;) {
    if (!open_->compare_exchange_weak(before, before + 1)) continue;
    return {open_.get(), [open = open_](std::atomic<std::size_t>*) { open->fetch_sub(1); }};
  }
  throw Error(Code::queue_full, "the queue is full: " + std::to_string(most_open_.load()) +
                                    " requests run or wait already; try again when some have ended");
}

Generation Model::Impl::submit(SequenceRequest sequence, const GenerateOptions& options) {
  process_.check();
  auto stream = std::make_shared<host::StreamBuffer>(take_place());
  auto request = std::make_shared<actors::Request>();
  request->sequence = std::move(sequence);
  request->ignore_end = options.ignore_end;
  if (options.deadline) request->deadline = after(*options.deadline);
  request->stream = stream;
  auto generation = host::make_retiring<Generation::Impl>(shared_from_this(), std::move(stream), request->sequence.id);
  ensemble_->submit(std::move(request));
  return Generation(std::move(generation));
}

void Model::Impl::stop(SequenceId id, const Error& why) { ensemble_->stop(id, why); }

std::vector<std::uint32_t> Model::Impl::replicate(std::uint32_t count) {
  constexpr std::uint32_t most = 256;
  check_wait();
  if (count < 1 || count > most) {
    throw Error(Code::invalid_argument, "replicate is asked for " + std::to_string(count) +
                                            " replicas; it must be between 1 and " + std::to_string(most));
  }
  auto numbers = ensemble_->replicate(count).value();
  most_open_ += places_ * count;
  return numbers;
}

void Model::Impl::drain(std::uint32_t replica) {
  check_wait();
  ensemble_->drain(replica).value();
  most_open_ -= places_;
}

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const Checkpoint& Model::checkpoint() const { return host::held(impl_, "the model").checkpoint; }

Generation Model::generate(std::string_view prompt, const GenerateOptions& options) const {
  return generate(checkpoint().prompt(prompt, options.parse_special), options);
}

Generation Model::generate(std::vector<TokenId> prompt, const GenerateOptions& options) const {
  const kernels::FloatingPointScope floats;
  Impl& impl = host::held(impl_, "the model");
  return taken(impl.log(), [&] {
    check_ids(impl.checkpoint, prompt);
    check_sampling(options.sampling);
    check_length(prompt.size(), impl.context());
    // The last token to be sampled needs no position of its own.
    const auto room = static_cast<std::uint32_t>(impl.context() - prompt.size() + 1);
    SequenceRequest request{.id = impl.draw_id(), .prompt = std::move(prompt), .sampling = options.sampling};
    request.priority = options.priority;
    request.cache_salt = options.cache_salt;
    request.max_tokens = options.max_tokens == 0 ? room : std::min(options.max_tokens, room);
    return impl.submit(std::move(request), options);
  });
}

Request Model::generate(std::string_view, const GenerateOptions&, StreamCallbacks) const {
  throw Error(Code::unsupported, "requests with callbacks are not there yet");
}

Request Model::generate(std::vector<TokenId>, const GenerateOptions&, StreamCallbacks) const {
  throw Error(Code::unsupported, "requests with callbacks are not there yet");
}

Stats Model::stats() const { throw Error(Code::unsupported, "stats are not there yet"); }

std::vector<std::uint32_t> Model::replicate(std::uint32_t count) const {
  const kernels::FloatingPointScope floats;
  return host::held(impl_, "the model").replicate(count);
}

void Model::drain(std::uint32_t replica) const {
  const kernels::FloatingPointScope floats;
  host::held(impl_, "the model").drain(replica);
}

void Model::logits(std::vector<TokenId> ids, bool every_position, const LogitsSink& sink, const LogitsOptions&) const {
  const kernels::FloatingPointScope floats;
  Impl& impl = host::held(impl_, "the model");
  impl.check_wait();
  if (!sink) throw Error(Code::invalid_argument, "the logits sink is empty; logits need somewhere to go");
  const SequenceId id = impl.draw_id();
  const LogitsSinks::Entry entry(impl.sinks(), id, sink);
  Generation stream = taken(impl.log(), [&] {
    check_ids(impl.checkpoint, ids);
    check_length(ids.size(), impl.context());
    SequenceRequest request{.id = id};
    request.first_wanted = every_position ? 0 : static_cast<std::uint32_t>(ids.size() - 1);
    request.prompt = std::move(ids);
    return impl.submit(std::move(request), {});
  });
  while (stream.next()) {
  }
}

}  // namespace troupe
