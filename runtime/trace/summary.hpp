#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/trace/recording.hpp"
#include "troupe/error.hpp"

namespace troupe::trace {

/// Of an actor's threads' time, from 0 to 1; together they are 1.
struct Shares {
  double compute = 0, transfer = 0, wait = 0, idle = 0;
};

struct ActorSummary {
  std::string name;
  std::uint32_t threads = 0;
  std::uint64_t steps = 0;
  Shares shares{};
  double step = 0;       ///< seconds of a step, without waits for other stages
  double sampling = 0;   ///< of its first thread's time, 0 to 1
  double team_wait = 0;  ///< of its threads' time, what they wait for each other
  bool is_shard = false;
};

/// The ranks of a stage, where there are several.
struct GroupSummary {
  std::string stage;                    ///< "r0.s0"
  double imbalance = 0;                 ///< of their computing: the most by the mean, less 1
  std::string straggler;                ///< who was last at most collectives' expense
  double waited = 0;                    ///< of the time, how long the others waited for it, on the mean
  double slower = 0;                    ///< its computing by the others' mean
  std::string op;                       ///< of what it computes, where it loses most against the others; empty: nowhere
  double op_slower = 0;                 ///< that op's time by the others' mean; 0 where they have none
  std::vector<std::uint32_t> better{};  ///< shares of tp that would fit; empty: as they are, or of something else
};

/// The stages of a replica, where there are several.
struct PipelineSummary {
  struct Stage {
    std::uint32_t layers = 0;
    double step = 0;  ///< seconds of a step, without waits for other stages
    double wait = 0;  ///< of the time, 0 to 1: for other stages, or for a step
  };
  std::string replica;  ///< "r0"
  std::vector<Stage> stages;
  double bubble = 0;                    ///< of the stages' time while any of them is at work, 0 to 1
  double under_way = 0;                 ///< stages at work at once, on the mean
  std::vector<std::uint32_t> better{};  ///< layers of each stage by which the longest step would be shortest
  double better_step = 0;               ///< seconds of that longest step
};

struct OpSummary {
  std::string name;
  double share = 0;  ///< of the shards' compute and transfer
};

struct Summary {
  double seconds = 0;
  std::uint64_t events = 0, overwritten = 0, steps = 0;
  std::vector<ActorSummary> actors{};
  double overlap = 0;  ///< of the time in which an actor computes, that in which at least two do
  std::vector<PipelineSummary> pipelines{};
  std::vector<GroupSummary> groups{};
  std::vector<OpSummary> ops{};  ///< those that take most, at most five
};

/// A pure function. Where events have been overwritten, what is left out is all before the last of the rows begins, so
/// that all are of the same time.
[[nodiscard]] Summary summarize(const Recording& recording);

/// One sentence on what to change, by what costs most.
[[nodiscard]] std::string advice(const Summary& summary);

/// Lines to be read, the advice last.
[[nodiscard]] std::string to_string(const Summary& summary);

/// Layers of stages, one at least each, by which the dearest stage is cheapest. `layers`: what each costs; `fixed`:
/// what each stage costs beside its layers. Precondition: layers.size() >= fixed.size() > 0.
[[nodiscard]] std::vector<std::uint32_t> balanced(const std::vector<double>& layers, const std::vector<double>& fixed);

}  // namespace troupe::trace
