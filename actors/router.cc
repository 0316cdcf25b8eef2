#include "actors/router.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/failure.hpp"

namespace troupe::actors {
namespace {

using Self = RouterActor::stateful_pointer<RouterState>;

void submit(Self self, const Submit& submit, const Log& log) {
  RouterState& state = self->state;
  if (state.replicas.empty()) return state.early.push_back(submit);
  const auto burden = [](const RouterState::Replica& replica) {
    return std::pair(replica.down.has_value(), replica.load);
  };
  const auto best = std::min_element(state.replicas.begin(), state.replicas.end(),
                                     [&](const auto& a, const auto& b) { return burden(a) < burden(b); });
  if (best->down) {
    submit.request->stream->end(ended_by(*best->down));
    return log(LogLevel::warning, [&] {
      return "request " + std::to_string(submit.request->sequence.id) + " is refused: " + best->down->message();
    });
  }
  ++best->load;
  const auto replica = static_cast<std::uint32_t>(best - state.replicas.begin());
  state.open.emplace(submit.request->sequence.id, RouterState::Entry{submit.request, replica, {}});
  self->send(best->scheduler, submit);
}

void begin(Self self, const Replicas& replicas, const Log& log) {
  for (const SchedulerActor& scheduler : replicas.schedulers) self->state.replicas.push_back({scheduler, 0, {}});
  for (const Submit& each : std::exchange(self->state.early, {})) submit(self, each, log);
}

void stop(Self self, const Stop& stop) {
  RouterState& state = self->state;
  std::erase_if(state.early, [&](const Submit& each) {
    if (each.request->sequence.id != stop.id) return false;
    each.request->stream->end(ended_by(stop.why));
    return true;
  });
  const auto entry = state.open.find(stop.id);
  if (entry != state.open.end()) self->send(state.replicas[entry->second.replica].scheduler, stop);
}

void emit(Self self, const Emit& emit) {
  const auto entry = self->state.open.find(emit.id);
  if (entry == self->state.open.end()) return;
  if (emit.token.id != no_token) entry->second.log.push_back(emit.token.id);
  if (const auto thrown = entry->second.request->stream->push(emit.token)) stop(self, {emit.id, *thrown});
}

void end(Self self, SequenceId id, Finish how) {
  const auto entry = self->state.open.find(id);
  if (entry == self->state.open.end()) return;
  --self->state.replicas[entry->second.replica].load;
  entry->second.request->stream->end(std::move(how));
  self->state.open.erase(entry);
}

void replica_down(Self self, const ReplicaDown& down) {
  RouterState& state = self->state;
  state.replicas[down.replica].down = down.why;
  std::vector<SequenceId> lost;
  for (const auto& [id, entry] : state.open) {
    if (entry.replica == down.replica) lost.push_back(id);
  }
  for (const SequenceId id : lost) end(self, id, ended_by(down.why));
}

}  // namespace

RouterActor::behavior_type router(Self self, Log log) {
  end_on_exception(self);
  return {
      [self, log](const Replicas& replicas) { begin(self, replicas, log); },
      [self, log](const Submit& message) { submit(self, message, log); },
      [self](const Stop& message) { stop(self, message); },
      [self](const Emit& message) { emit(self, message); },
      [self](const End& message) { end(self, message.id, message.how); },
      [self](const ReplicaDown& down) { replica_down(self, down); },
  };
}

}  // namespace troupe::actors
