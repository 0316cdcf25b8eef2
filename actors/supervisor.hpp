#pragma once

#include "actors/counters.hpp"
#include "actors/log.hpp"
#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::actors {

/// What a replica is made of, as its supervisor sees it.
struct ReplicaPlan {
  BatchLimits limits;
  std::vector<Members> stages;  ///< the executors of each stage's members
  std::shared_ptr<ReplicaCounters> counters = std::make_shared<ReplicaCounters>();
};

struct SupervisorState {
  const char* name = "supervisor";
  RouterActor router;
  std::vector<SchedulerActor> schedulers;            ///< [replicas]
  std::vector<caf::mailbox_element_ptr> dismissals;  ///< [replicas]: what ends each, made before it

  SupervisorState() = default;
  SupervisorState(const SupervisorState&) = delete;
  SupervisorState& operator=(const SupervisorState&) = delete;
  ~SupervisorState();  ///< however the supervisor ends, its schedulers end
};

/// The root of a model's actors: links itself to the router, starts a scheduler for each replica (which starts its
/// stages, they their members) and watches them. When a replica dies, its executors are aborted, its requests fail, the
/// others go on. When it ends, all of them end.
[[nodiscard]] SupervisorActor::behavior_type supervisor(SupervisorActor::stateful_pointer<SupervisorState> self,
                                                        RouterActor router, std::vector<ReplicaPlan> replicas,
                                                        std::shared_ptr<const Tokenizer> tokenizer, Log log);

}  // namespace troupe::actors
