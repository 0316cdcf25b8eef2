#pragma once

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"

namespace troupe::testing {

inline constexpr TokenId end_token = 2;

/// The token that is sampled after a position: a function of these alone, and never the end of the text.
inline TokenId fake_token(SequenceId sequence, std::uint32_t position) {
  return static_cast<TokenId>(10 + (sequence * 7919 + position * 104'729) % 900);
}

/// The executors of one replica, played by a test: steps wait until the test lets them be computed, and their outcomes
/// until it lets them be reported. What real ones rely on is checked.
class FakeReplica {
 public:
  FakeReplica(BatchLimits limits, std::size_t members) : limits_(limits), computed_(limits.stages, 0) {
    for (std::uint32_t stage = 0; stage < limits.stages; ++stage) {
      stages_.emplace_back();
      for (std::size_t i = 0; i < members; ++i) stages_.back().push_back(std::make_shared<Member>());
    }
  }

  [[nodiscard]] std::vector<actors::Members> executors() const {
    std::vector<actors::Members> all;
    for (const auto& stage : stages_) all.emplace_back(stage.begin(), stage.end());
    return all;
  }
  [[nodiscard]] const BatchLimits& limits() const { return limits_; }

  /// At which position a text has its end token, and which slice fails at which position, in which stage.
  std::map<SequenceId, std::uint32_t> ends_at;
  struct Failure {
    std::uint32_t position, stage;
    Error why;
  };
  std::multimap<SequenceId, Failure> fails_at;

  /// Whether actors that hear of an outcome run before the report returns.
  void fill_cores(bool fill) {
    for (const auto& stage : stages_) {
      for (const auto& member : stage) member->fills = fill;
    }
  }

  /// From this step on, one member reports that it is broken, and no other of the replica comes back before it is
  /// aborted.
  StepId broken_from = UINT64_MAX;
  /// From this step on, a member's submit throws.
  void throw_from(StepId step) { stages_.back().back()->throws_from = step; }

  [[nodiscard]] bool can_compute(std::uint32_t stage) const {
    for (const auto& member : stages_[stage]) {
      if (member->steps.empty()) return false;
    }
    const Step& step = *stages_[stage][0]->steps.front().step;
    if (is_broken_at(step)) return stage == 0 && !reported_broken_;
    if (stage == 0) return step.token_messages <= channel_.size();
    return computed_[stage - 1] >= step.id;
  }

  /// Every member of a stage does its next step.
  void compute(std::uint32_t stage) {
    const std::shared_ptr<const Step> step = stages_[stage][0]->steps.front().step;
    if (is_broken_at(*step)) return report_broken();
    REQUIRE(step->id == ++computed_[stage]);
    if (stage == 0) receive(*step);
    for (std::size_t i = 0; i < stages_[stage].size(); ++i) {
      Member& member = *stages_[stage][i];
      REQUIRE(member.steps.front().step == step);  // the same for all
      StepOutcome outcome{.id = step->id};
      for (std::uint32_t s = 0; s < step->slices.size(); ++s) fail_slice(*step, s, stage, outcome);
      if (stage + 1 == limits_.stages && i == 0) sample(*step, outcome);
      member.finish(std::move(outcome));
    }
  }

  /// Members that have something to report.
  [[nodiscard]] std::vector<std::function<void()>> reports() const {
    std::vector<std::function<void()>> result;
    for (const auto& stage : stages_) {
      for (const auto& member : stage) {
        if (!member->outcomes.empty()) result.emplace_back([&member] { member->report(); });
      }
    }
    return result;
  }

  /// From the first step with this sequence on, it is broken.
  SequenceId broken_by = 0;

  /// Its threads end: what has not been run or reported will not be.
  void end() {
    for (const auto& stage : stages_) {
      for (const auto& member : stage) member->end();
    }
  }

  [[nodiscard]] bool aborted() const {
    for (const auto& stage : stages_) {
      for (const auto& member : stage) {
        if (!member->aborted) return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool idle() const {
    for (const auto& stage : stages_) {
      for (const auto& member : stage) {
        if (!member->steps.empty() || !member->outcomes.empty()) return false;
      }
    }
    return true;
  }
  /// Nobody but this object knows the executors any more.
  [[nodiscard]] bool released() const {
    for (const auto& stage : stages_) {
      for (const auto& member : stage) {
        if (member.use_count() != 1) return false;
      }
    }
    return true;
  }
  [[nodiscard]] std::uint32_t rows_of(SequenceId sequence) const {
    const auto found = rows_.find(sequence);
    return found == rows_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::size_t most_at_once() const { return most_at_once_; }

 private:
  struct Member final : Executor {
    struct Job {
      std::shared_ptr<const Step> step;
      Done done;
    };
    void submit(std::shared_ptr<const Step> step, Done done) override {
      if (ended) return;
      if (step->id >= throws_from) throw std::runtime_error("no place for a step");
      REQUIRE(step->id == ++last);
      epoch = step->epoch;
      steps.push_back({std::move(step), std::move(done)});
      if (aborted) finish_all();
    }
    [[nodiscard]] bool fills_cores() const override { return fills; }
    void abort(const Error& error) override {
      aborted = true;
      why = error;
      finish_all();
    }
    void end() {
      ended = true;
      steps.clear();
      outcomes.clear();
    }
    void finish(StepOutcome outcome) {
      outcomes.push_back({std::move(outcome), std::move(steps.front().done)});
      steps.pop_front();
    }
    void finish_all() {
      while (!steps.empty()) finish({.id = steps.front().step->id, .broken = why});
    }
    void report() {
      auto [outcome, done] = std::move(outcomes.front());
      outcomes.pop_front();
      outcome.epoch = epoch;
      done(std::move(outcome));
    }
    Epoch epoch = 0;
    StepId last = 0, throws_from = UINT64_MAX;
    bool fills = false, aborted = false, ended = false;
    std::optional<Error> why;
    std::deque<Job> steps;
    std::deque<std::pair<StepOutcome, Done>> outcomes;
  };
  struct Sampled {
    std::uint32_t slot;
    SequenceId sequence;
    std::uint32_t position;
  };

  [[nodiscard]] bool is_broken_at(const Step& step) const {
    const bool has = std::any_of(step.slices.begin(), step.slices.end(),
                                 [&](const SequenceSlice& slice) { return slice.sequence == broken_by; });
    return reported_broken_ || step.id >= broken_from || has;
  }

  void report_broken() {
    reported_broken_ = true;
    Member& member = *stages_[0].back();
    member.finish({.id = member.steps.front().step->id, .broken = Error(Code::failed, "the lamp went out")});
  }

  void receive(const Step& step) {
    for (std::uint32_t i = 0; i < step.token_messages; ++i) {
      for (const Sampled& token : channel_.front()) board_[token.slot] = token;
      channel_.pop_front();
    }
    std::set<std::uint32_t> slots;
    for (const SequenceSlice& slice : step.slices) {
      REQUIRE(slots.insert(slice.slot).second);
      rows_[slice.sequence] += slice.rows();
      if (!slice.tokens.empty()) continue;
      REQUIRE(board_[slice.slot].sequence == slice.sequence);
      REQUIRE(board_[slice.slot].position == slice.first_position);
    }
    most_at_once_ = std::max(most_at_once_, step.slices.size());
  }

  void fail_slice(const Step& step, std::uint32_t s, std::uint32_t stage, StepOutcome& outcome) const {
    const SequenceSlice& slice = step.slices[s];
    const auto [first, last] = fails_at.equal_range(slice.sequence);
    for (auto failure = first; failure != last; ++failure) {
      if (failure->second.stage % limits_.stages != stage) continue;
      if (slice.first_position + slice.rows() <= failure->second.position) continue;
      outcome.failures.push_back({s, failure->second.why});
    }
  }

  void sample(const Step& step, StepOutcome& outcome) {
    if (!step.samples()) return;
    channel_.emplace_back();
    for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
      const SequenceSlice& slice = step.slices[s];
      if (!slice.sample) continue;
      const std::uint32_t position = slice.first_position + slice.rows();
      const auto end = ends_at.find(slice.sequence);
      const bool ends = end != ends_at.end() && end->second == position;
      outcome.tokens.push_back({s, ends ? end_token : fake_token(slice.sequence, position)});
      channel_.back().push_back({slice.slot, slice.sequence, position});
    }
    REQUIRE(channel_.size() <= most_token_messages(limits_.stages));
  }

  BatchLimits limits_;
  std::vector<std::vector<std::shared_ptr<Member>>> stages_;
  std::vector<StepId> computed_;  ///< [stages]: steps done
  std::deque<std::vector<Sampled>> channel_;
  std::map<std::uint32_t, Sampled> board_;  ///< by slot
  std::map<SequenceId, std::uint32_t> rows_;
  std::size_t most_at_once_ = 0;
  bool reported_broken_ = false;
};

}  // namespace troupe::testing
