#include "runtime/program/tokens.hpp"

#include <algorithm>
#include <utility>

#include "kernels/floating_point.hpp"
#include "runtime/program/thrown.hpp"

namespace troupe {
namespace {

/// Gives one row to the host's sink; its exception is the slice's failure.
void give(const LogitsSinks& sinks, SequenceId sequence, const WantedRow& row, std::span<const float> logits,
          StepOutcome& outcome) {
  try {
    const kernels::HostFloatingPointScope floats;
    sinks.give(sequence, row.position, logits);
  } catch (...) {
    outcome.failures.push_back({row.slice, error_of_thrown("the host's logits sink")});
  }
}

}  // namespace

void LogitsEnd::begin(const Step& step) {
  for (const OpenedSlot& opened : step.opened) {
    Slot& slot = slots_[opened.slot];
    slot.whose = opened;
    const std::span<const TokenId> tokens = opened.tokens ? std::span(*opened.tokens) : std::span<const TokenId>();
    slot.text.begin(terms_of(slot.whose), tokens, opened.surprise_bound);
    slot.whose.tokens.reset();
  }
}

void LogitsEnd::take(const Step& step, std::span<const WantedRow> wanted, const float* logits, std::size_t vocabulary,
                     StepOutcome& outcome) {
  for (const WantedRow& row : wanted) {
    if (!outcome.failed(row.slice)) {
      take_row(slots_[step.slices[row.slice].slot], row, std::span<const float>(logits, vocabulary), outcome);
    }
    logits += vocabulary;
  }
}

void LogitsEnd::take_row(Slot& slot, const WantedRow& row, std::span<const float> logits, StepOutcome& outcome) {
  const OpenedSlot& whose = slot.whose;
  const SamplingTerms& terms = terms_of(slot.whose);
  if (whose.sink) give(*sinks_, whose.sequence, row, logits, outcome);
  if (!row.sample || outcome.failed(row.slice)) return;
  logits = logits.first(std::min(tokens_, logits.size()));
  const char* fault = fault_of(logits);
  const std::span<const float> changed = adjusted(logits, terms, slot.text, row.position, room_);
  if (fault == nullptr && terms.changes_logits()) fault = fault_of(changed);
  if (fault != nullptr) {
    outcome.failures.push_back({row.slice, out_of_range(source_, row.position, fault)});
    return;
  }
  SampledToken sampled{row.slice, sample(changed, terms, row.position, slot.text.surprise_bound, kernels_, room_)};
  sampled.surprise_bound = slot.text.surprise_bound;
  slot.text.push(terms, sampled.token);
  if (whose.logprobs) {
    sampled.logprobs = std::make_shared<const std::vector<TokenLogprob>>(
        logprobs(logits, sampled.token, *whose.logprobs, kernels_, room_));
  }
  outcome.tokens.push_back(std::move(sampled));
}

Error out_of_range(const std::string& actor, std::uint32_t position, const std::string& fault) {
  return {Code::out_of_range, "actor " + actor + ", position " + std::to_string(position) + ": " + fault};
}

Result<void> LogitsEnd::finish(const Step& step, const StepOutcome& outcome, transport::Deadline deadline) {
  if (!step.samples()) return {};
  std::int32_t* at = message_.data();
  *at++ = static_cast<std::int32_t>(outcome.tokens.size());
  for (const SampledToken& sampled : outcome.tokens) {
    *at++ = static_cast<std::int32_t>(step.slices[sampled.slice].slot);
    *at++ = sampled.token;
  }
  for (const auto& channel : first_stage_) {
    if (auto sent = channel->send(transport::tensor_of(message_.data(), 1, message_.size()), deadline); !sent)
      return sent;
  }
  return {};
}

void LogitsEnd::abort(const Error& why) {
  for (const auto& channel : first_stage_) channel->abort(why);
}

Result<void> TokenBoard::receive(std::uint32_t count, transport::Deadline deadline) {
  for (; count > 0; --count) {
    if (auto received = channel_->receive(transport::tensor_of(message_.data(), 1, message_.size()), deadline);
        !received)
      return received;
    if (auto taken = take_message(); !taken) return taken;
  }
  return {};
}

Result<void> TokenBoard::take_message() {
  const std::size_t count = static_cast<std::uint32_t>(message_[0]);
  if (count > tokens_.size()) return Error(Code::failed, "a message of sampled tokens has more than there are slots");
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t slot = static_cast<std::uint32_t>(message_[1 + 2 * i]);
    if (slot >= tokens_.size())
      return Error(Code::failed, "a message of sampled tokens names a slot that is not there");
    tokens_[slot] = message_[2 + 2 * i];
  }
  return {};
}

}  // namespace troupe
