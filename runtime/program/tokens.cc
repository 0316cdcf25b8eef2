#include "runtime/program/tokens.hpp"

#include "kernels/floating_point.hpp"
#include "runtime/text/sampling.hpp"

namespace troupe {
namespace {

transport::Tensor tensor_of(std::vector<std::int32_t>& message) {
  return {reinterpret_cast<std::byte*>(message.data()), transport::Element::i32, 1, message.size(), message.size()};
}

/// Gives one row to the host's sink; its exception is the slice's failure.
void give(const SequenceSettings& settings, const WantedRow& row, std::span<const float> logits, StepOutcome& outcome) {
  try {
    const kernels::HostFloatingPointScope floats;
    settings.sink(row.position, logits);
  } catch (const std::exception& thrown) {
    outcome.failures.push_back(
        {row.slice, {Code::failed, std::string("the host's logits sink threw: ") + thrown.what()}});
  } catch (...) {
    outcome.failures.push_back({row.slice, {Code::failed, "the host's logits sink threw"}});
  }
}

}  // namespace

void LogitsEnd::take(const Step& step, std::span<const WantedRow> wanted, const float* logits, std::size_t vocabulary,
                     StepOutcome& outcome) {
  for (const WantedRow& row : wanted) {
    const std::span<const float> mine(logits, vocabulary);
    logits += vocabulary;
    const SequenceSettings& settings = *step.slices[row.slice].settings;
    if (settings.sink) give(settings, row, mine, outcome);
    if (row.sample) outcome.tokens.push_back({row.slice, sample(mine, settings.sampling, row.position, kernels_)});
  }
}

Result<void> LogitsEnd::finish(const Step& step, const StepOutcome& outcome, transport::Deadline deadline) {
  if (!step.samples()) return {};
  std::int32_t* at = message_.data();
  *at++ = static_cast<std::int32_t>(outcome.tokens.size());
  for (const SampledToken& sampled : outcome.tokens) {
    *at++ = static_cast<std::int32_t>(step.slices[sampled.slice].lane);
    *at++ = sampled.token;
  }
  for (const auto& channel : first_stage_) {
    const auto sent = channel->send(queue_, tensor_of(message_), deadline);
    if (!sent) return sent.error();
  }
  return {};
}

void LogitsEnd::abort(const Error& why) {
  for (const auto& channel : first_stage_) channel->abort(why);
}

Result<void> TokenBoard::receive(std::uint32_t count, transport::Deadline deadline) {
  for (; count > 0; --count) {
    const auto received = channel_->receive(queue_, tensor_of(message_), deadline);
    if (!received) return received.error();
    for (std::int32_t i = 0; i < message_[0]; ++i) tokens_[message_[1 + 2 * i]] = message_[2 + 2 * i];
  }
  return {};
}

}  // namespace troupe
