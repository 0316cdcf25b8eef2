#include "actors/supervisor.hpp"

#include <algorithm>
#include <caf/all.hpp>

#include "actors/router.hpp"
#include "actors/scheduler.hpp"
#include "actors/spawn_linked.hpp"

namespace troupe::actors {
namespace {

using Self = SupervisorActor::stateful_pointer<SupervisorState>;

/// A scheduler that gave up says why in words; whatever else ends an actor is CAF's to name.
std::string words(const caf::error& reason) {
  if (reason.context().match_elements<std::string>()) return reason.context().get_as<std::string>(0);
  return "one of its actors has died, " + to_string(reason);
}

void replica_died(Self self, const std::vector<ReplicaPlan>& replicas, std::uint32_t replica,
                  const caf::error& reason) {
  const Error why(Code::aborted, "replica " + std::to_string(replica) + " has failed: " + words(reason));
  for (const auto& members : replicas[replica].stages) {
    for (const auto& executor : members) executor->abort(why);
  }
  self->send(self->state.router, ReplicaDown{replica, why});
}

}  // namespace

SupervisorActor::behavior_type supervisor(Self self, std::vector<ReplicaPlan> replicas,
                                          std::shared_ptr<const Tokenizer> tokenizer) {
  SupervisorState& state = self->state;
  state.router = spawn_linked(self, router);
  for (const ReplicaPlan& replica : replicas) {
    state.schedulers.push_back(
        self->spawn<caf::monitored>(scheduler, replica.limits, state.router, tokenizer, replica.stages));
  }
  self->send(state.router, Replicas{state.schedulers});
  self->set_down_handler([self, replicas](const caf::down_msg& down) {
    const auto& schedulers = self->state.schedulers;
    const auto dead = std::find_if(schedulers.begin(), schedulers.end(),
                                   [&](const SchedulerActor& s) { return s.address() == down.source; });
    if (dead != schedulers.end())
      replica_died(self, replicas, static_cast<std::uint32_t>(dead - schedulers.begin()), down.reason);
  });
  self->set_exit_handler([self](const caf::exit_msg& exit) {
    for (const SchedulerActor& scheduler : self->state.schedulers) self->send_exit(scheduler, exit.reason);
    self->quit(exit.reason);
  });
  return {[self](caf::atom_value) { return self->state.router; }};
}

}  // namespace troupe::actors
