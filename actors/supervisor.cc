#include "actors/supervisor.hpp"

#include <algorithm>
#include <caf/all.hpp>

#include "actors/failure.hpp"
#include "actors/letter.hpp"
#include "actors/scheduler.hpp"
#include "actors/spawn_tied.hpp"

namespace troupe::actors {
namespace {

using Self = SupervisorActor::stateful_pointer<SupervisorState>;

/// A scheduler that gave up says why in words; whatever else ends an actor is CAF's to name.
std::string words(const caf::error& reason) {
  if (reason.context().match_elements<std::string>()) return reason.context().get_as<std::string>(0);
  return "one of its actors has died, " + to_string(reason);
}

void replica_died(Self self, const std::vector<ReplicaPlan>& replicas, std::uint32_t replica, const caf::error& reason,
                  const Log& log) {
  const Error why(Code::aborted, "replica " + std::to_string(replica) + " has failed: " + words(reason));
  for (const auto& members : replicas[replica].stages) {
    for (const auto& executor : members) executor->abort(why);
  }
  replicas[replica].counters->state = ReplicaState::broken;
  self->send(self->state.router, ReplicaDown{replica, why});
  log(LogLevel::error, [&] { return why.message(); });
}

}  // namespace

SupervisorState::~SupervisorState() {
  for (std::size_t i = 0; i < schedulers.size(); ++i) post(schedulers[i], std::move(dismissals[i]));
}

SupervisorActor::behavior_type supervisor(Self self, RouterActor router, std::vector<ReplicaPlan> replicas,
                                          std::shared_ptr<const Tokenizer> tokenizer, Log log) {
  end_on_exception(self);
  SupervisorState& state = self->state;
  state.router = std::move(router);
  self->link_to(state.router);
  state.schedulers.reserve(replicas.size());  // none is lost between its start and its place here
  for (const ReplicaPlan& replica : replicas) {
    state.dismissals.push_back(exit_letter());
    state.schedulers.push_back(spawn_monitored(self, scheduler, replica.limits, state.router, tokenizer, replica.stages,
                                               replica.counters, log));
  }
  self->send(state.router, Replicas{state.schedulers});
  self->set_down_handler([self, replicas, log](const caf::down_msg& down) {
    const auto& schedulers = self->state.schedulers;
    const auto dead = std::find_if(schedulers.begin(), schedulers.end(),
                                   [&](const SchedulerActor& s) { return s.address() == down.source; });
    if (dead != schedulers.end())
      replica_died(self, replicas, static_cast<std::uint32_t>(dead - schedulers.begin()), down.reason, log);
  });
  return {[self](const Close&) { self->quit(caf::exit_reason::user_shutdown); }};
}

}  // namespace troupe::actors
