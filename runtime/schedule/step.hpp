#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/text/sampling_terms.hpp"
#include "troupe/error.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

using StepId = std::uint64_t;      ///< counts from 1 within a replica
using SequenceId = std::uint64_t;  ///< Generation::id()
using Epoch = std::uint64_t;       ///< of a replica as it was made: every making has one of its own, and none is 0

/// A slot's place in a KV table from which on something else stands there.
struct TableChange {
  static constexpr std::uint32_t none = UINT32_MAX;  ///< in place of a block that is another group's
  std::uint32_t group = 0;                           ///< of layers: see KvGroups
  std::uint32_t first = 0;  ///< counted in blocks from position 0; what is skipped is behind the window
  std::vector<std::uint32_t> blocks{};
};

/// A sequence that has got a slot, which it keeps until another is opened there.
struct OpenedSlot {
  std::uint32_t slot = 0;
  SequenceId sequence = 0;
  std::shared_ptr<const SamplingTerms> sampling{};       ///< null: greedy, with nothing else
  bool sink = false;                                     ///< the host wants logits: see LogitsSinks
  std::optional<std::uint32_t> logprobs{};               ///< of sampled tokens, and of so many of the likeliest
  std::shared_ptr<const std::string> user{};             ///< bytes for the host's actors; null: none
  std::shared_ptr<const std::vector<TokenId>> tokens{};  ///< so far; null where sampling does not look back
  float surprise_bound = 0.0F;                           ///< Mirostat's, as the tokens so far have left it
};

/// The rows of one sequence in a step.
struct SequenceSlice {
  SequenceId sequence = 0;
  std::uint32_t slot = 0;  ///< the sequence's place among those that run at once
  std::uint32_t first_position = 0;
  std::vector<TokenId> tokens{};     ///< empty: one row, whose token is the last one sampled in this slot
  std::vector<TableChange> table{};  ///< of the slot's KV blocks, before the rows are computed
  bool sample = false;               ///< the token after the last row is sampled
  std::uint32_t wanted = 0;  ///< logits of so many rows, the last ones, are wanted; one at least that is sampled

  [[nodiscard]] std::uint32_t rows() const { return tokens.empty() ? 1 : static_cast<std::uint32_t>(tokens.size()); }
};

/// One pass of one micro-batch through the stages. Plain data, the same for every actor of the replica.
struct Step {
  StepId id = 0;
  Epoch epoch = 0;
  std::uint32_t token_messages = 0;  ///< what the first stage takes from its token channel before it begins
  std::vector<OpenedSlot> opened{};  ///< before the rows are computed
  std::vector<SequenceSlice> slices{};

  [[nodiscard]] std::uint32_t rows() const {
    std::uint32_t sum = 0;
    for (const auto& slice : slices) sum += slice.rows();
    return sum;
  }
  [[nodiscard]] bool samples() const {
    for (const auto& slice : slices) {
      if (slice.sample) return true;
    }
    return false;
  }
};

/// A row whose logits are wanted.
struct WantedRow {
  std::uint32_t row;  ///< of the step
  std::uint32_t slice;
  std::uint32_t position;
  bool sample;
};

/// Puts the wanted rows of a step in place of what `wanted` held, in the order of the rows; the same for everyone who
/// holds the step.
void wanted_rows(const Step& step, std::vector<WantedRow>& wanted);

struct SampledToken {
  std::uint32_t slice;
  TokenId token;
  std::shared_ptr<const std::vector<TokenLogprob>> logprobs{};  ///< null where nobody asks for them
  float surprise_bound = 0.0F;                                  ///< Mirostat's, behind it
};

struct SliceFailure {
  std::uint32_t slice;
  Error error;
};

/// What one actor reports of a step, and, merged, what a step came to.
struct StepOutcome {
  StepId id = 0;
  Epoch epoch = 0;  ///< the step's; set by who ran it
  std::vector<SampledToken> tokens{};
  std::vector<SliceFailure> failures{};  ///< slices that failed; the others' results stand
  std::optional<Error> broken{};         ///< the actor cannot go on: a peer died or a wait passed its deadline

  void merge(StepOutcome&& other);
  [[nodiscard]] bool failed(std::uint32_t slice) const;
};

}  // namespace troupe
