#include "runtime/cli/chat_session.hpp"

#include <cstdio>
#include <utility>

#include "runtime/cli/input.hpp"
#include "runtime/cli/output.hpp"

namespace troupe::cli {
namespace {

Error context_is_full(std::uint32_t context, std::uint32_t most) {
  const std::string more = context < most ? ", and -c gives room for up to " + std::to_string(most) : "";
  return {Code::invalid_argument,
          "the context of " + std::to_string(context) + " positions is full: /undo takes the last turn back" + more};
}

}  // namespace

ChatSession::ChatSession(Model model, ChatFormat format, GenerateOptions options, std::uint32_t context,
                         std::function<bool()> stop)
    : model_(std::move(model)),
      format_(std::move(format)),
      options_(std::move(options)),
      context_(context),
      stop_(std::move(stop)),
      prompt_(model_.checkpoint()) {}

void ChatSession::ask(const std::string& text) {
  Conversation next = conversation_;
  next.add("user", text);
  answer(std::move(next));
}

void ChatSession::retry() {
  Conversation next = conversation_;
  if (!next.drop_answer()) throw Error(Code::invalid_argument, "there is no question yet to answer again");
  ++options_.sampling.seed;
  answer(std::move(next));
}

void ChatSession::undo() {
  if (!conversation_.drop_turn()) throw Error(Code::invalid_argument, "there is no turn to take back");
}

void ChatSession::answer(Conversation to) {
  const std::vector<TextPart> parts = chat_parts(format_, to.json());
  const std::vector<TokenId> ids = prompt_.ids_of(parts);
  const Error full = context_is_full(context_, model_.checkpoint().context());
  if (ids.size() >= context_) throw full;
  Answer answer = print_stream(model_.generate(ids, options_), stop_);
  print("\n");
  to.add("assistant", answer.text);
  conversation_ = std::move(to);
  prompt_.answered(parts, ids, answer.ids, answer.text);
  last_ = std::move(answer);
  if (last_->finish.reason == FinishReason::context) throw full;
}

void ChatSession::save(const std::string& file) const { write_file(file, conversation_.json()); }

void ChatSession::load(const std::string& file) {
  const std::string text = read_file(file);
  try {
    Conversation loaded = Conversation::parse(text);
    (void)chat_parts(format_, loaded.json());
    conversation_ = std::move(loaded);
  } catch (const Error& error) {
    throw Error(error.code(), file + ": " + error.message());
  }
}

std::string ChatSession::stats() const {
  const Stats stats = model_.stats();
  std::string text = last_ ? timings_of(*last_, context_) : "no answer yet\n";
  text += std::to_string(stats.requests) + " answers, " + std::to_string(stats.generated_tokens) +
          " tokens written; of " + std::to_string(stats.prompt_tokens) + " tokens of prompts " +
          fixed(100 * stats.hit_rate(), 1) + " % were computed already\n";
  return text;
}

}  // namespace troupe::cli
