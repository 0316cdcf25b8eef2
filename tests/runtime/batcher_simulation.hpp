#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kernels/kv_layout.hpp"
#include "runtime/memory/kv_groups.hpp"
#include "runtime/schedule/batcher.hpp"

namespace troupe::testing {

/// A batcher before stages that are played by numbers: steps pass through them in order, sampled tokens go back to the
/// first by a channel, and each stage has a KV cache in which a position's content is a hash of the tokens up to it.
/// What is sampled follows from that content alone. Everything that a step may rely on is checked as it happens.
class BatcherSimulation {
 public:
  explicit BatcherSimulation(BatchLimits limits)
      : limits_(limits),
        groups_(limits.kv),
        batcher_(limits),
        stages_(limits.stages),
        memories_(limits.stages),
        all_blocks_(batcher_.free_blocks()) {
    if (groups_.empty()) groups_ = {{0, limits.parallel * kv_blocks_for(limits.context), 0}};
  }

  [[nodiscard]] const Batcher& batcher() const { return batcher_; }
  [[nodiscard]] std::size_t under_way() const { return under_way_; }
  [[nodiscard]] std::size_t most_in_channel() const { return most_in_channel_; }
  [[nodiscard]] std::uint32_t sampled(SequenceId id) const { return sequences_.at(id).sampled; }
  [[nodiscard]] bool prefilled(SequenceId id) const {
    return sequences_.at(id).positions >= sequences_.at(id).request.prompt.size();
  }
  [[nodiscard]] bool through(SequenceId id) const { return sequences_.at(id).through; }
  [[nodiscard]] std::uint32_t lives(SequenceId id) const { return sequences_.at(id).lives; }

  void add(SequenceRequest request) {
    Sequence sequence{.request = request, .tokens = request.prompt};
    batcher_.add(std::move(request));
    sequences_.emplace(sequence.request.id, std::move(sequence));
  }
  /// A prompt like no other's.
  void add(SequenceId id, std::uint32_t prompt, std::uint32_t max_tokens) {
    SequenceRequest request{.id = id, .max_tokens = max_tokens};
    for (std::uint32_t i = 0; i < prompt; ++i) request.prompt.push_back(static_cast<TokenId>(1000 * id + i));
    add(std::move(request));
  }

  /// Every slice of this sequence fails from now on, and leaves nonsense in its blocks.
  void spoil(SequenceId id) { sequences_.at(id).spoiled = true; }

  /// The next step, where there is one, on its way to the first stage.
  const Step* send() {
    auto step = batcher_.next();
    if (!step) return nullptr;
    check(*step);
    ++under_way_;
    REQUIRE(under_way_ < most_token_messages(limits_.stages));
    sent_.push_back({std::move(*step), {}});
    stages_[0].push_back(&sent_.back());
    return &sent_.back().step;
  }

  /// Lets one stage do its next step; false where it has none, or waits for tokens that have not been sampled.
  bool run(std::uint32_t stage) {
    if (stages_[stage].empty()) return false;
    Sent& sent = *stages_[stage].front();
    if (stage == 0) {
      if (sent.step.token_messages > channel_.size()) return false;
      receive(sent.step);
    }
    stages_[stage].pop_front();
    compute(sent.step, memories_[stage]);
    if (stage + 1 < stages_.size()) {
      stages_[stage + 1].push_back(&sent);
    } else {
      sample(sent);
      done_.push_back(&sent);
    }
    return true;
  }

  /// Reports the oldest step that has left the last stage; false where there is none.
  bool complete() {
    if (done_.empty()) return false;
    const Sent& sent = *done_.front();
    done_.pop_front();
    --under_way_;
    for (const SliceFailure& failure : sent.outcome.failures) stop(sent.step.slices[failure.slice].sequence);
    for (const SequenceSlice& slice : sent.step.slices) --sequences_.at(slice.sequence).under_way;
    for (const SampledToken& token : sent.outcome.tokens)
      sequences_.at(sent.step.slices[token.slice].sequence).known += 1;
    std::set<SequenceId> expected;
    for (const SequenceSlice& slice : sent.step.slices) {
      const Sequence& sequence = sequences_.at(slice.sequence);
      if (sequence.over() && sequence.under_way == 0) expected.insert(slice.sequence);
    }
    const auto ended = batcher_.complete(sent.step, sent.outcome);
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

  /// Every sequence came to its end, with the tokens that it has alone, each once, and gave back what it had.
  void check_end() const {
    REQUIRE(under_way_ == 0);
    REQUIRE(batcher_.running() == 0);
    REQUIRE(batcher_.waiting() == 0);
    REQUIRE(batcher_.free_blocks() == all_blocks_);
    REQUIRE(batcher_.stats().kv.held == 0);
    for (const auto& [id, sequence] : sequences_) {
      REQUIRE(sequence.through);
      if (sequence.stopped) continue;
      REQUIRE(sequence.known == sequence.request.max_tokens);
      REQUIRE(sequence.tokens.size() == sequence.request.prompt.size() + sequence.known);
      for (std::size_t i = sequence.request.prompt.size(); i < sequence.tokens.size(); ++i)
        REQUIRE(sequence.tokens[i] == sampled_after(sequence.content(static_cast<std::uint32_t>(i - 1))));
      const auto first = std::min<std::size_t>(sequence.request.first_wanted, sequence.request.prompt.size());
      REQUIRE(sequence.given >= sequence.request.prompt.size() - first);
    }
  }

 private:
  using Content = std::uint64_t;
  struct Sequence {
    SequenceRequest request;
    std::vector<TokenId> tokens;  ///< the prompt, and what was sampled
    std::uint32_t known = 0;      ///< samples that have come back
    std::uint32_t positions = 0, sampled = 0, under_way = 0, lives = 0, prefill_end = 0, given = 0;
    std::int64_t slot = -1;
    bool stopped = false, through = false, spoiled = false;
    std::vector<Content> contents{};

    [[nodiscard]] bool over() const {
      return stopped || (lives > 0 && positions >= prefill_end && sampled >= request.max_tokens);
    }
    /// Of a position whose token has been sampled.
    [[nodiscard]] Content content(std::uint32_t position) const {
      Content hash = std::hash<std::string>()(request.cache_salt);
      for (std::uint32_t i = 0; i <= position; ++i)
        hash = (hash ^ static_cast<std::uint32_t>(tokens.at(i))) * 0x9E3779B97F4A7C15 + 1;
      return hash;
    }
    Content fast_content(std::uint32_t position) {
      while (contents.size() <= position) {
        const Content before = contents.empty() ? std::hash<std::string>()(request.cache_salt) : contents.back();
        contents.push_back((before ^ static_cast<std::uint32_t>(tokens.at(contents.size()))) * 0x9E3779B97F4A7C15 + 1);
      }
      return contents[position];
    }
  };
  struct Sent {
    Step step;
    StepOutcome outcome;
  };
  /// A sampled token: whose, and at which position it is read.
  struct Sampled {
    std::uint32_t slot;
    SequenceId sequence;
    std::uint32_t position;
  };
  struct Memory {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> tables;  ///< by slot and group
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<Content>> blocks;        ///< by group and block
  };

  static TokenId sampled_after(Content content) { return static_cast<TokenId>(content >> 32 & 1); }

  void check(const Step& step) {
    REQUIRE(step.id == ++last_step_);
    REQUIRE_FALSE(step.slices.empty());
    REQUIRE(step.rows() <= limits_.rows);
    for (const OpenedSlot& opened : step.opened) {
      Sequence& sequence = sequences_.at(opened.sequence);
      REQUIRE(sequence.under_way == 0);
      REQUIRE(opened.slot < limits_.parallel);
      const auto before = slot_owner_.find(opened.slot);
      if (before != slot_owner_.end()) {  // who may have another by now
        const Sequence& other = sequences_.at(before->second);
        REQUIRE((other.slot != opened.slot || other.under_way == 0));
      }
      sequence.slot = opened.slot;
      slot_owner_[opened.slot] = opened.sequence;
      sequence.positions = 0;
      sequence.sampled = sequence.known;
      sequence.prefill_end = static_cast<std::uint32_t>(sequence.request.prompt.size()) + sequence.known;
      ++sequence.lives;
    }
    std::set<SequenceId> seen;
    for (const SequenceSlice& slice : step.slices) {
      REQUIRE(seen.insert(slice.sequence).second);
      check(slice, sequences_.at(slice.sequence));
    }
  }

  void check(const SequenceSlice& slice, Sequence& sequence) {
    REQUIRE_FALSE(sequence.over());
    REQUIRE(sequence.slot == slice.slot);
    REQUIRE(slot_owner_.at(slice.slot) == slice.sequence);
    if (slice.first_position != sequence.positions) {  // the cache has what is skipped
      REQUIRE(limits_.prefix_cache);
      REQUIRE(slice.first_position > sequence.positions);
      REQUIRE(slice.first_position % kernels::kv_block == 0);
      REQUIRE(slice.first_position < sequence.prefill_end);
    }
    const std::size_t end = slice.first_position + slice.rows();
    REQUIRE(end <= limits_.context);
    if (slice.first_position < sequence.prefill_end) {
      REQUIRE_FALSE(slice.tokens.empty());
      REQUIRE(end <= sequence.prefill_end);
      REQUIRE(std::equal(slice.tokens.begin(), slice.tokens.end(), sequence.tokens.begin() + slice.first_position));
    } else {
      REQUIRE(slice.tokens.empty());
    }
    REQUIRE(slice.sample == (end >= sequence.prefill_end && sequence.sampled < sequence.request.max_tokens));
    check_wanted(slice, sequence);
    sequence.positions = static_cast<std::uint32_t>(end);
    sequence.sampled += slice.sample ? 1 : 0;
    ++sequence.under_way;
  }

  /// Of the prompt, logits are given once, in order, however often it is computed.
  void check_wanted(const SequenceSlice& slice, Sequence& sequence) const {
    const std::uint32_t end = slice.first_position + slice.rows();
    REQUIRE(slice.wanted <= slice.rows());
    REQUIRE(slice.wanted >= (slice.sample ? 1 : 0));
    if (sequence.request.first_wanted == UINT32_MAX) {
      REQUIRE(slice.wanted == (slice.sample ? 1 : 0));
      return;
    }
    const std::uint32_t next = sequence.request.first_wanted + sequence.given;
    if (end <= next) return;
    REQUIRE(end - slice.wanted == std::max(next, slice.first_position));
    REQUIRE(slice.first_position <= next);
    sequence.given = end - sequence.request.first_wanted;
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

  void compute(const Step& step, Memory& memory) {
    for (const OpenedSlot& opened : step.opened) {
      for (std::uint32_t group = 0; group < groups_.size(); ++group) memory.tables[{opened.slot, group}].clear();
    }
    for (const SequenceSlice& slice : step.slices) {
      for (const TableChange& change : slice.table) {
        auto& table = memory.tables[{slice.slot, change.group}];
        table.resize(change.first, KvTable::none);
        table.insert(table.end(), change.blocks.begin(), change.blocks.end());
      }
    }
    for (const SequenceSlice& slice : step.slices) write(slice, memory);
    for (const SequenceSlice& slice : step.slices) read(slice, memory);
  }

  void write(const SequenceSlice& slice, Memory& memory) {
    Sequence& sequence = sequences_.at(slice.sequence);
    for (std::uint32_t group = 0; group < groups_.size(); ++group) {
      const auto& table = memory.tables[{slice.slot, group}];
      for (std::uint32_t p = slice.first_position; p < slice.first_position + slice.rows(); ++p) {
        const std::uint32_t block = table.at(p / kernels::kv_block);
        REQUIRE(block < groups_[group].blocks);
        auto& content = memory.blocks[{group, block}];
        content.resize(kernels::kv_block);
        content[p % kernels::kv_block] = sequence.spoiled ? 0 : sequence.fast_content(p);
      }
    }
  }

  /// What a row sees is what its own sequence would have written.
  void read(const SequenceSlice& slice, Memory& memory) {
    Sequence& sequence = sequences_.at(slice.sequence);
    if (sequence.spoiled || sequence.stopped) return;
    const std::uint32_t first = slice.first_position, last = first + slice.rows() - 1;
    for (std::uint32_t group = 0; group < groups_.size(); ++group) {
      const auto& table = memory.tables[{slice.slot, group}];
      const std::uint32_t window = groups_[group].window;
      for (std::uint32_t p = window == 0 || first < window ? 0 : first - window + 1; p <= last; ++p) {
        const Content found = memory.blocks.at({group, table.at(p / kernels::kv_block)})[p % kernels::kv_block];
        if (found != sequence.fast_content(p)) FAIL("position " << p << " of " << slice.sequence << " is not its own");
      }
    }
  }

  void sample(Sent& sent) {
    const Step& step = sent.step;
    std::vector<Sampled> message;
    for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
      const SequenceSlice& slice = step.slices[s];
      Sequence& sequence = sequences_.at(slice.sequence);
      const std::uint32_t end = slice.first_position + slice.rows();
      if (sequence.spoiled) sent.outcome.failures.push_back({s, {Code::failed, "spoiled"}});
      if (!slice.sample) continue;
      REQUIRE(sequence.tokens.size() == end);
      sequence.tokens.push_back(sampled_after(sequence.fast_content(end - 1)));
      sent.outcome.tokens.push_back({s, sequence.tokens.back()});
      message.push_back({slice.slot, slice.sequence, end});
    }
    if (!step.samples()) return;
    channel_.push_back(std::move(message));
    most_in_channel_ = std::max(most_in_channel_, channel_.size());
    REQUIRE(channel_.size() <= most_token_messages(limits_.stages));
  }

  void end(SequenceId id) {
    Sequence& sequence = sequences_.at(id);
    REQUIRE_FALSE(sequence.through);
    sequence.through = true;
  }

  BatchLimits limits_;
  std::vector<KvGroup> groups_;
  Batcher batcher_;
  std::deque<Sent> sent_;                  ///< all of them; the rest points here
  std::vector<std::deque<Sent*>> stages_;  ///< [stages]: what lies before each
  std::vector<Memory> memories_;           ///< [stages]
  std::deque<Sent*> done_;
  std::deque<std::vector<Sampled>> channel_;
  std::map<std::uint32_t, Sampled> board_;  ///< by slot: the last token that the first stage has received
  std::map<SequenceId, Sequence> sequences_;
  std::map<std::uint32_t, SequenceId> slot_owner_;
  std::size_t all_blocks_, under_way_ = 0, most_in_channel_ = 0;
  StepId last_step_ = 0;
};

}  // namespace troupe::testing
