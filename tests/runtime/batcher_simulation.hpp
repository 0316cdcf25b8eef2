#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "kernels/kv_layout.hpp"
#include "runtime/schedule/batcher.hpp"

namespace troupe::testing {

/// A batcher before stages that are played by numbers: steps pass through them in order, sampled tokens go back to the
/// first by a channel. Everything that a step may rely on is checked as it happens.
class BatcherSimulation {
 public:
  explicit BatcherSimulation(BatchLimits limits)
      : limits_(limits), batcher_(limits), stages_(limits.stages), all_blocks_(batcher_.free_blocks()) {}

  [[nodiscard]] const Batcher& batcher() const { return batcher_; }
  [[nodiscard]] std::size_t under_way() const { return under_way_; }
  [[nodiscard]] std::size_t most_in_channel() const { return most_in_channel_; }
  [[nodiscard]] std::uint32_t sampled(SequenceId id) const { return sequences_.at(id).sampled; }
  [[nodiscard]] bool prefilled(SequenceId id) const {
    return sequences_.at(id).positions >= sequences_.at(id).prompt.size();
  }
  [[nodiscard]] bool through(SequenceId id) const { return sequences_.at(id).through; }

  void add(SequenceId id, std::uint32_t prompt, std::uint32_t max_tokens) {
    Sequence sequence;
    for (std::uint32_t i = 0; i < prompt; ++i) sequence.prompt.push_back(static_cast<TokenId>(1000 * id + i));
    sequence.max_tokens = max_tokens;
    batcher_.add({.id = id, .prompt = sequence.prompt, .max_tokens = max_tokens});
    sequences_.emplace(id, std::move(sequence));
  }

  /// The next step, where there is one, on its way to the first stage.
  const Step* send() {
    auto step = batcher_.next();
    if (!step) return nullptr;
    check(*step);
    ++under_way_;
    REQUIRE(under_way_ < most_token_messages(limits_.stages));
    sent_.push_back(std::move(*step));
    stages_[0].push_back(&sent_.back());
    return &sent_.back();
  }

  /// Lets one stage do its next step; false where it has none, or waits for tokens that have not been sampled.
  bool run(std::uint32_t stage) {
    if (stages_[stage].empty()) return false;
    const Step& step = *stages_[stage].front();
    if (stage == 0) {
      if (step.token_messages > channel_.size()) return false;
      receive(step);
    }
    stages_[stage].pop_front();
    if (stage + 1 < stages_.size()) {
      stages_[stage + 1].push_back(&step);
    } else {
      sample(step);
      done_.push_back(&step);
    }
    return true;
  }

  /// Reports the oldest step that has left the last stage; false where there is none.
  bool complete() {
    if (done_.empty()) return false;
    const Step& step = *done_.front();
    done_.pop_front();
    --under_way_;
    for (const SequenceSlice& slice : step.slices) --sequences_.at(slice.sequence).under_way;
    std::set<SequenceId> expected;
    for (const SequenceSlice& slice : step.slices) {
      const Sequence& sequence = sequences_.at(slice.sequence);
      if (sequence.over() && sequence.under_way == 0) expected.insert(slice.sequence);
    }
    const auto ended = batcher_.complete(step);
    REQUIRE(std::set<SequenceId>(ended.begin(), ended.end()) == expected);
    for (const SequenceId id : ended) end(id);
    return true;
  }

  void stop(SequenceId id) {
    Sequence& sequence = sequences_.at(id);
    if (sequence.through) {
      REQUIRE_FALSE(batcher_.stop(id));
      return;
    }
    sequence.stopped = true;
    const bool at_once = batcher_.stop(id);
    REQUIRE(at_once == (sequence.under_way == 0));
    if (at_once) end(id);
  }

  /// Until nothing is left to do.
  void finish() {
    while (!batcher_.idle()) {
      bool moved = send() != nullptr;
      for (auto stage = static_cast<std::uint32_t>(stages_.size()); stage-- > 0;) moved = run(stage) || moved;
      moved = complete() || moved;
      REQUIRE(moved);
    }
  }

  /// Every sequence came to its end, and gave back what it had.
  void check_end() const {
    REQUIRE(under_way_ == 0);
    REQUIRE(batcher_.running() == 0);
    REQUIRE(batcher_.waiting() == 0);
    REQUIRE(batcher_.free_blocks() == all_blocks_);
    REQUIRE(slot_owner_.empty());
    REQUIRE(block_owner_.empty());
    for (const auto& [id, sequence] : sequences_) {
      REQUIRE(sequence.through);
      if (sequence.stopped) continue;
      REQUIRE(sequence.sampled == sequence.max_tokens);
      REQUIRE(sequence.positions == sequence.prompt.size() + std::max(sequence.max_tokens, 1U) - 1);
    }
  }

 private:
  struct Sequence {
    std::vector<TokenId> prompt;
    std::uint32_t max_tokens = 0, positions = 0, sampled = 0, under_way = 0;
    std::vector<std::uint32_t> blocks;
    std::int64_t slot = -1;
    bool stopped = false, through = false;
    [[nodiscard]] bool over() const { return stopped || (positions >= prompt.size() && sampled >= max_tokens); }
  };
  /// A sampled token: whose, and at which position it is read.
  struct Sampled {
    std::uint32_t slot;
    SequenceId sequence;
    std::uint32_t position;
  };

  void check(const Step& step) {
    REQUIRE(step.id == ++last_step_);
    REQUIRE_FALSE(step.slices.empty());
    REQUIRE(step.rows() <= limits_.rows);
    for (const OpenedSlot& opened : step.opened) {
      Sequence& sequence = sequences_.at(opened.sequence);
      REQUIRE(sequence.slot == -1);
      REQUIRE(opened.slot < limits_.parallel);
      REQUIRE(slot_owner_.try_emplace(opened.slot, opened.sequence).second);
      sequence.slot = opened.slot;
    }
    std::set<SequenceId> seen;
    for (const SequenceSlice& slice : step.slices) {
      REQUIRE(seen.insert(slice.sequence).second);
      check(slice, sequences_.at(slice.sequence));
    }
  }

  void check(const SequenceSlice& slice, Sequence& sequence) {
    REQUIRE_FALSE(sequence.over());
    REQUIRE(slice.first_position == sequence.positions);
    const std::size_t end = slice.first_position + slice.rows();
    REQUIRE(end <= limits_.context);
    if (sequence.positions < sequence.prompt.size()) {
      REQUIRE_FALSE(slice.tokens.empty());
      REQUIRE(end <= sequence.prompt.size());
      REQUIRE(std::equal(slice.tokens.begin(), slice.tokens.end(), sequence.prompt.begin() + slice.first_position));
    } else {
      REQUIRE(slice.tokens.empty());
    }
    REQUIRE(slice.sample == (end >= sequence.prompt.size() && sequence.max_tokens > 0));

    REQUIRE(sequence.slot == slice.slot);
    REQUIRE(slice.wanted == (slice.sample ? 1 : 0));
    for (const TableChange& change : slice.table) {
      REQUIRE(change.group == 0);
      REQUIRE(change.first == sequence.blocks.size());
      sequence.blocks.insert(sequence.blocks.end(), change.blocks.begin(), change.blocks.end());
    }
    REQUIRE(sequence.blocks.size() == (end + kernels::kv_block - 1) / kernels::kv_block);
    for (const std::uint32_t block : sequence.blocks) {
      REQUIRE(block < all_blocks_);
      REQUIRE(block_owner_.try_emplace(block, slice.sequence).first->second == slice.sequence);
    }
    sequence.positions = static_cast<std::uint32_t>(end);
    sequence.sampled += slice.sample ? 1 : 0;
    ++sequence.under_way;
  }

  /// Each row that waits for a sampled token finds its own sequence's last one in its slot.
  void receive(const Step& step) {
    for (std::uint32_t i = 0; i < step.token_messages; ++i) {
      for (const Sampled& token : channel_.front()) board_[token.slot] = token;
      channel_.pop_front();
    }
    for (const SequenceSlice& slice : step.slices) {
      if (!slice.tokens.empty()) continue;
      REQUIRE(board_.contains(slice.slot));
      REQUIRE(board_[slice.slot].sequence == slice.sequence);
      REQUIRE(board_[slice.slot].position == slice.first_position);
    }
  }

  void sample(const Step& step) {
    if (!step.samples()) return;
    std::vector<Sampled> message;
    for (const SequenceSlice& slice : step.slices) {
      if (slice.sample) message.push_back({slice.slot, slice.sequence, slice.first_position + slice.rows()});
    }
    channel_.push_back(std::move(message));
    most_in_channel_ = std::max(most_in_channel_, channel_.size());
    REQUIRE(channel_.size() <= most_token_messages(limits_.stages));
  }

  void end(SequenceId id) {
    Sequence& sequence = sequences_.at(id);
    REQUIRE_FALSE(sequence.through);
    sequence.through = true;
    if (sequence.slot >= 0) slot_owner_.erase(static_cast<std::uint32_t>(sequence.slot));
    for (const std::uint32_t block : sequence.blocks) block_owner_.erase(block);
  }

  BatchLimits limits_;
  Batcher batcher_;
  std::deque<Step> sent_;                        ///< all of them; the rest points here
  std::vector<std::deque<const Step*>> stages_;  ///< [stages]: what lies before each
  std::deque<const Step*> done_;
  std::deque<std::vector<Sampled>> channel_;
  std::map<std::uint32_t, Sampled> board_;  ///< by slot: the last token that the first stage has received
  std::map<SequenceId, Sequence> sequences_;
  std::map<std::uint32_t, SequenceId> slot_owner_, block_owner_;
  std::size_t all_blocks_, under_way_ = 0, most_in_channel_ = 0;
  StepId last_step_ = 0;
};

}  // namespace troupe::testing
