#pragma once

#include <map>
#include <optional>

#include "actors/counters.hpp"
#include "actors/log.hpp"
#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::actors {

struct SchedulerState {
  const char* name = "scheduler";
  std::optional<Batcher> batcher;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<ReplicaCounters> counters;
  Log log;
  std::vector<StageActor> stages;
  SamplerActor sampler;
  std::map<SequenceId, std::shared_ptr<const Request>> open;     ///< requests that have not ended
  std::map<SequenceId, caf::actor_clock::time_point> deadlines;  ///< of open requests, those that have one
  std::optional<caf::actor_clock::time_point> next_look;         ///< at the clock

  struct UnderWay {
    std::shared_ptr<const Step> step;
    std::size_t reports = 0;
    std::vector<StepOutcome> outcomes;  ///< [stages]
  };
  std::map<StepId, UnderWay> under_way;
};

/// One replica's scheduler: decides each step (see Batcher), sends it to every stage one step ahead, and gives what
/// comes back to the sampler. `stages`: the executors of each stage's members. Quits, with the reason, when a member is
/// broken.
[[nodiscard]] SchedulerActor::behavior_type scheduler(SchedulerActor::stateful_pointer<SchedulerState> self,
                                                      BatchLimits limits, RouterActor router,
                                                      std::shared_ptr<const Tokenizer> tokenizer,
                                                      std::vector<Members> stages,
                                                      std::shared_ptr<ReplicaCounters> counters, Log log);

}  // namespace troupe::actors
