#pragma once

#include <map>
#include <optional>

#include "actors/counters.hpp"
#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::actors {

struct SchedulerState {
  const char* name = "scheduler";
  Epoch epoch = 0;
  std::optional<Batcher> batcher;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<ReplicaCounters> counters;
  std::vector<StageActor> stages;
  RouterActor router;
  SamplerActor sampler;
  std::map<SequenceId, std::shared_ptr<const Request>> open;  ///< requests that have not ended

  struct UnderWay {
    std::shared_ptr<const Step> step;
    std::size_t reports = 0;
    std::vector<StepOutcome> outcomes;  ///< [stages]
  };
  std::map<StepId, UnderWay> under_way;
};

/// One replica's scheduler, for one epoch: decides each step (see Batcher), sends it to every stage one step ahead, and
/// gives what comes back to the sampler. Quits, with the reason, when a member is broken.
[[nodiscard]] SchedulerActor::behavior_type scheduler(SchedulerActor::stateful_pointer<SchedulerState> self,
                                                      Epoch epoch, ReplicaPlan plan, RouterActor router,
                                                      std::shared_ptr<const Tokenizer> tokenizer,
                                                      std::shared_ptr<ReplicaCounters> counters);

}  // namespace troupe::actors
