#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/table.hpp"
#include "runtime/program/sinks.hpp"
#include "runtime/schedule/step.hpp"
#include "runtime/text/logprobs.hpp"
#include "runtime/text/sampling.hpp"
#include "transport/channel/channel.hpp"

namespace troupe {

/// Sampled tokens travel from the sampler to each shard of the first stage, past all mailboxes: one message a sampling
/// step, [1, 1 + 2 * slots] i32: how many, then (slot, token) pairs.
[[nodiscard]] inline std::size_t token_message_columns(std::uint32_t slots) { return 1 + 2 * std::size_t{slots}; }

/// Where and why what an actor has made of a row is beyond use.
[[nodiscard]] Error out_of_range(const std::string& actor, std::uint32_t position, const std::string& fault);

/// The last stage's end: what is done with the logits of a step.
class LogitsEnd {
 public:
  /// What it is made for.
  struct Sizes {
    std::size_t tokens;   ///< so many of a row's logits, the first ones, can be sampled
    std::size_t context;  ///< positions of a sequence at most
    std::uint32_t slots;
  };

  /// `sinks`: the host's. `source`: the shard that computes the logits, for errors.
  LogitsEnd(const kernels::KernelTable& kernels, const Sizes& sizes, std::shared_ptr<const LogitsSinks> sinks,
            std::vector<std::unique_ptr<transport::Sender>> first_stage, std::string source)
      : kernels_(kernels),
        tokens_(sizes.tokens),
        room_(sizes.tokens, sizes.context),
        slots_(sizes.slots),
        sinks_(std::move(sinks)),
        message_(token_message_columns(sizes.slots)),
        first_stage_(std::move(first_stage)),
        source_(std::move(source)) {
    for (Slot& slot : slots_) slot.text.reserve(sizes.context);
  }

  /// The memory that it allocates, once.
  [[nodiscard]] static std::size_t bytes(const Sizes& sizes) {
    return SamplingRoom::bytes(sizes.tokens, sizes.context) + sizes.slots * SamplingState::bytes(sizes.context);
  }

  /// Before all else of a step: whose its slots are from now on.
  void begin(const Step& step);

  /// The next wanted rows' logits, [wanted.size()][vocabulary]: to their sinks, as they are, and through the sampler. A
  /// sink that throws fails its slice, and so do logits that no token can be sampled from (out_of_range). Of a slice
  /// that has failed nothing more is looked at.
  void take(const Step& step, std::span<const WantedRow> wanted, const float* logits, std::size_t vocabulary,
            StepOutcome& outcome);

  /// After the last of them: sends the sampled tokens on their way, where the step samples any.
  [[nodiscard]] Result<void> finish(const Step& step, const StepOutcome& outcome, transport::Deadline deadline);

  void abort(const Error& why);

 private:
  struct Slot {
    OpenedSlot whose{};
    SamplingState text{};
  };
  [[nodiscard]] const SamplingTerms& terms_of(const OpenedSlot& whose) const {
    return whose.sampling ? *whose.sampling : greedy_;
  }
  void take_row(Slot& slot, const WantedRow& row, std::span<const float> logits, StepOutcome& outcome);

  const kernels::KernelTable& kernels_;
  std::size_t tokens_;
  SamplingRoom room_;
  SamplingTerms greedy_;
  std::vector<Slot> slots_;
  std::shared_ptr<const LogitsSinks> sinks_;
  std::vector<std::int32_t> message_;
  std::vector<std::unique_ptr<transport::Sender>> first_stage_;
  std::string source_;
};

/// The first stage's end: the last token that was sampled in each slot.
class TokenBoard {
 public:
  TokenBoard(std::uint32_t slots, std::unique_ptr<transport::Receiver> channel)
      : tokens_(slots, 0), message_(token_message_columns(slots)), channel_(std::move(channel)) {}

  /// Takes `count` messages from the channel; waits for those that are still to come.
  [[nodiscard]] Result<void> receive(std::uint32_t count, transport::Deadline deadline);
  [[nodiscard]] std::size_t slots() const { return tokens_.size(); }
  [[nodiscard]] TokenId token(std::uint32_t slot) const { return tokens_[slot]; }
  void abort(const Error& why) { channel_->abort(why); }

 private:
  [[nodiscard]] Result<void> take_message();

  std::vector<TokenId> tokens_;
  std::vector<std::int32_t> message_;
  std::unique_ptr<transport::Receiver> channel_;
};

}  // namespace troupe
