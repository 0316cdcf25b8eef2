#pragma once

#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::actors {

/// What a replica is made of, as its supervisor sees it.
struct ReplicaPlan {
  BatchLimits limits;
  std::vector<Members> stages;  ///< the executors of each stage's members
};

struct SupervisorState {
  const char* name = "supervisor";
  RouterActor router;
  std::vector<SchedulerActor> schedulers;  ///< [replicas]
};

using SupervisorActor = caf::typed_actor<caf::replies_to<caf::atom_value>::with<RouterActor>>;

/// The root of a model's actors: starts the router and a scheduler for each replica (which starts its stages, they
/// their nodes) and watches them. When a replica dies, its executors are aborted, its requests fail, the others go on.
/// Answers any atom with the router.
[[nodiscard]] SupervisorActor::behavior_type supervisor(SupervisorActor::stateful_pointer<SupervisorState> self,
                                                        std::vector<ReplicaPlan> replicas,
                                                        std::shared_ptr<const Tokenizer> tokenizer);

}  // namespace troupe::actors
