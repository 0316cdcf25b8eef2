#pragma once

#include <map>

#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"

namespace troupe::actors {

struct StageState {
  const char* name = "stage";
  SchedulerActor scheduler;
  Epoch epoch = 0;
  std::uint32_t number = 0;
  std::vector<MemberActor> members;

  struct Pending {
    std::size_t reports = 0;
    StepOutcome outcome;
  };
  std::map<StepId, Pending> pending;  ///< steps that some members have not come back with
};

/// A stage of the pipeline: the shards of one group, or a single node between two stages. Passes a step to each and
/// reports to the scheduler, as stage `number`, once all have come back, or one is broken. Spawns and links a member
/// for each executor.
[[nodiscard]] StageActor::behavior_type stage(StageActor::stateful_pointer<StageState> self, SchedulerActor scheduler,
                                              Epoch epoch, std::uint32_t number, Members executors);

}  // namespace troupe::actors
