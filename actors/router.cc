#include "actors/router.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <span>
#include <utility>

#include "actors/failure.hpp"

namespace troupe::actors {
namespace {

using Self = RouterActor::stateful_pointer<RouterState>;

void end(Self self, SequenceId id, Finish how) {
  RouterState& state = self->state;
  const auto entry = state.open.find(id);
  if (entry == state.open.end()) return;
  if (entry->second.replica) state.replicas[*entry->second.replica].owes -= entry->second.owed;
  const std::shared_ptr<const Request> request = entry->second.request;
  if (entry->second.deadline) state.deadlines.erase({*entry->second.deadline, id});
  state.open.erase(entry);
  request->stream->end(std::move(how));
}

/// Where a request would be computed, and of its prompt what need not be.
struct Choice {
  std::uint32_t number;
  std::size_t matched;
};

/// The replica that serves with the least to do, its cache's share in the request counted; of equals the first.
std::optional<Choice> best_of(const RouterState& state, std::span<const std::uint64_t> prefixes) {
  std::optional<Choice> best;
  double least = 0;
  for (const auto& [number, replica] : state.replicas) {
    if (replica.away) continue;
    const std::size_t matched = state.places.matched(prefixes, number);
    const double cost = static_cast<double>(replica.owes) - double{state.prefix_weight} * static_cast<double>(matched);
    if (best && cost >= least) continue;
    best = {number, matched};
    least = cost;
  }
  return best;
}

std::uint64_t still_to_sample(const RouterState::Entry& entry) {
  const std::uint64_t most = entry.request->sequence.max_tokens;
  return most - std::min<std::uint64_t>(most, entry.log.size());
}

/// A request's replica has so much of it to do now.
void owe(RouterState& state, RouterState::Entry& entry, std::uint64_t tokens) {
  std::uint64_t& owes = state.replicas[*entry.replica].owes;
  owes = owes - entry.owed + tokens;
  entry.owed = tokens;
}

/// Why no replica will ever serve; none where one may, or where none is known yet.
std::optional<Error> hopeless(const RouterState& state) {
  std::optional<Error> why;
  for (const auto& [number, replica] : state.replicas) {
    if (!replica.away || replica.returns) return std::nullopt;
    why = replica.away;
  }
  return why;
}

/// Of all its tokens; none where what caches may have does not count.
std::vector<std::uint64_t> prefixes_of(const RouterState& state, const RouterState::Entry& entry) {
  if (state.prefix_weight <= 0) return {};
  const SequenceRequest& sequence = entry.request->sequence;
  std::vector<TokenId> tokens = sequence.prompt;
  tokens.insert(tokens.end(), entry.log.begin(), entry.log.end());
  return PrefixPlaces::keys(tokens, sequence.cache_salt);
}

/// Gives a request to a replica, where one serves.
void place(Self self, SequenceId id, RouterState::Entry& entry) {
  RouterState& state = self->state;
  if (const auto why = hopeless(state)) return end(self, id, ended_by(*why));
  const std::vector<std::uint64_t> prefixes = prefixes_of(state, entry);
  const auto best = best_of(state, prefixes);
  if (!best) return;
  entry.replica = best->number;
  entry.owed = 0;
  const std::size_t known = entry.request->sequence.prompt.size() + entry.log.size();
  owe(state, entry, known - best->matched + still_to_sample(entry));
  state.places.note(prefixes, best->number);
  self->send(state.replicas[best->number].scheduler, Submit{entry.request, entry.log, entry.surprise_bound});
}

/// Ends a request: where it is served its replica hears of it first, and ends it in order.
void stop(Self self, SequenceId id, const Error& why) {
  const auto entry = self->state.open.find(id);
  if (entry == self->state.open.end()) return;
  if (!entry->second.replica) return end(self, id, ended_by(why));
  entry->second.stopped = why;
  self->send(self->state.replicas[*entry->second.replica].scheduler, Stop{id, why});
}

void pass_deadline(Self self, SequenceId id, const Log& log) {
  stop(self, id, Error(Code::deadline, "the request's deadline has passed"));
  log(LogLevel::warning, [&] { return "request " + std::to_string(id) + ": its deadline has passed"; });
}

constexpr std::chrono::seconds longest_look(1);

/// One timer for all, and a short one: CAF keeps each until it is due, however early its request has ended.
void watch_deadlines(Self self) {
  RouterState& state = self->state;
  if (state.deadlines.empty()) return;
  const auto now = self->clock().now();
  const auto when = std::min(now + longest_look, state.deadlines.begin()->first);
  const bool overdue = state.next_look && *state.next_look + longest_look < now;
  if (state.next_look && *state.next_look <= when && !overdue) return;
  state.next_look = when;
  self->delayed_send(self, std::max(when - now, caf::actor_clock::duration_type::zero()), LookAtClock{when});
}

/// A timer can be lost, where memory was wanting: then it is set again as the streams go on.
void check_timer(Self self) {
  const RouterState& state = self->state;
  if (state.deadlines.empty()) return;
  if (!state.next_look || *state.next_look + longest_look < self->clock().now()) watch_deadlines(self);
}

void look_at_clock(Self self, const LookAtClock& look, const Log& log) {
  RouterState& state = self->state;
  if (state.next_look == look.when) state.next_look.reset();
  const auto now = self->clock().now();
  while (!state.deadlines.empty() && state.deadlines.begin()->first <= now) {
    const SequenceId id = state.deadlines.begin()->second;
    state.deadlines.erase(state.deadlines.begin());
    state.open.at(id).deadline.reset();
    pass_deadline(self, id, log);
  }
  watch_deadlines(self);
}

void submit(Self self, const Submit& submit, const Log& log) {
  RouterState& state = self->state;
  const SequenceId id = submit.request->sequence.id;
  if (const auto why = hopeless(state)) {
    submit.request->stream->end(ended_by(*why));
    return log(LogLevel::warning, [&] { return "request " + std::to_string(id) + " is refused: " + why->message(); });
  }
  auto& entry = state.open
                    .emplace(id,
                             RouterState::Entry{
                                 .request = submit.request, .log = submit.log, .surprise_bound = submit.surprise_bound})
                    .first->second;
  if (submit.request->deadline) {
    const auto left = *submit.request->deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return pass_deadline(self, id, log);
    entry.deadline = self->clock().now() + left;
    state.deadlines.insert({*entry.deadline, id});
    watch_deadlines(self);
  }
  place(self, id, entry);
}

/// Gives those that wait to whom they can be given.
void place_waiting(Self self) {
  std::vector<SequenceId> waiting;
  for (const auto& [id, entry] : self->state.open) {
    if (!entry.replica) waiting.push_back(id);
  }
  for (const SequenceId id : waiting) place(self, id, self->state.open.at(id));
}

void leave(Self self, const Left& left) {
  RouterState& state = self->state;
  const bool drained = left.how == Left::For::drained;
  state.places.forget(left.replica);
  std::vector<SequenceId> lost;
  for (auto& [id, entry] : state.open) {
    if (entry.replica != left.replica) continue;
    entry.replica.reset();
    if (entry.stopped || entry.losses > state.most_losses) lost.push_back(id);
  }
  for (const SequenceId id : lost) end(self, id, ended_by(state.open.at(id).stopped.value_or(left.why)));
  if (drained) {
    state.replicas.erase(left.replica);
  } else {
    state.replicas[left.replica] = {0, {}, 0, left.why, left.how == Left::For::a_while};
  }
  place_waiting(self);
}

/// An heir has what the other had been given, and what that had made of it.
void inherit(RouterState& state, const Heir& heir) {
  state.places.inherit(heir.of, heir.replica);
  for (const auto& [id, entry] : state.open) {
    if (entry.replica == heir.of) state.places.note(prefixes_of(state, entry), heir.replica);
  }
}

void join(Self self, const Joined& joined) {
  for (const Joined::Replica& each : joined.replicas) {
    self->state.replicas[each.number] = {each.epoch, each.scheduler, 0, {}, false};
  }
  for (const Heir& heir : joined.heirs) inherit(self->state, heir);
  const Error replaced(Code::aborted, "replaced");
  for (const std::uint32_t number : joined.instead_of) {
    self->state.replicas[number].away = replaced;  // all of them, before the requests of the first go elsewhere
  }
  for (const std::uint32_t number : joined.instead_of) leave(self, {number, replaced, Left::For::drained});
  place_waiting(self);
}

/// The request that a replica speaks of; null where it has ended, or is no longer that replica's.
RouterState::Entry* entry_of(RouterState& state, SequenceId id, Epoch epoch) {
  const auto entry = state.open.find(id);
  if (entry == state.open.end() || !entry->second.replica) return nullptr;
  return state.replicas[*entry->second.replica].epoch == epoch ? &entry->second : nullptr;
}

void emit(Self self, const Emit& emit) {
  check_timer(self);
  RouterState::Entry* const entry = entry_of(self->state, emit.id, emit.epoch);
  if (entry == nullptr) return;
  if (emit.token.id != no_token) entry->log.push_back(emit.token.id);
  owe(self->state, *entry, still_to_sample(*entry));
  entry->surprise_bound = emit.surprise_bound;
  entry->losses = 0;
  const auto thrown = entry->request->stream->push(emit.token);
  if (emit.last) return end(self, emit.id, thrown ? ended_by(*thrown) : *emit.last);
  if (thrown) stop(self, emit.id, *thrown);
}

}  // namespace

RouterActor::behavior_type router(Self self, Log log, std::size_t most_losses, float prefix_weight) {
  end_on_exception(self);
  self->state.most_losses = most_losses;
  self->state.prefix_weight = prefix_weight;
  return {
      [self](const Joined& joined) { join(self, joined); },
      [self](const Left& left) { leave(self, left); },
      [self, log](const Submit& message) { submit(self, message, log); },
      [self](const Stop& message) { stop(self, message.id, message.why); },
      [self](const Emit& message) { emit(self, message); },
      [self](const End& message) {
        if (entry_of(self->state, message.id, message.epoch) != nullptr) end(self, message.id, message.how);
      },
      [self](const Suspects& suspects) {
        for (const SequenceId id : suspects.ids) {
          if (auto* const entry = entry_of(self->state, id, suspects.epoch)) ++entry->losses;
        }
      },
      [self, log](const LookAtClock& look) { look_at_clock(self, look, log); },
  };
}

}  // namespace troupe::actors
