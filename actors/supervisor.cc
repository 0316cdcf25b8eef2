#include "actors/supervisor.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/failure.hpp"
#include "actors/letter.hpp"
#include "actors/scheduler.hpp"
#include "actors/spawn_tied.hpp"

namespace troupe::actors {
namespace {

using Self = SupervisorActor::stateful_pointer<SupervisorState>;
using Replica = SupervisorState::Replica;
using Stage = Replica::Stage;

/// A scheduler that gave up says why in words; whatever else ends an actor is CAF's to name.
std::string words(const caf::error& reason) {
  if (reason.context().match_elements<std::string>()) return reason.context().get_as<std::string>(0);
  return "one of its actors has died, " + to_string(reason);
}

std::string name_of(std::uint32_t number) { return "replica " + std::to_string(number); }

/// Starts the scheduler of a replica whose executors are there.
Joined::Replica start(Self self, std::uint32_t number, Replica& replica) {
  const SupervisorState& state = self->state;
  const Epoch epoch = replica.at_work.order.epoch;
  replica.dismissal = exit_letter();
  if (replica.counters == nullptr) replica.counters = state.board->add(number);
  replica.scheduler =
      spawn_monitored(self, scheduler, epoch, replica.at_work.plan, state.router, state.tokenizer, replica.counters);
  replica.counters->state = ReplicaState::serving;
  replica.stage = Stage::serving;
  return {number, epoch, replica.scheduler};
}

/// Has a replica made. All that its builder says afterwards takes no memory.
void build(Self self, std::uint32_t number, Replica& replica, Epoch instead_of) {
  SupervisorState& state = self->state;
  replica.stage = Stage::building;
  replica.at_work.plan = {};
  replica.at_work.order.epoch = ++state.last_epoch;
  const Epoch epoch = replica.at_work.order.epoch;
  const auto plan = std::make_shared<Result<ReplicaPlan>>(ReplicaPlan());
  const auto answer = std::make_shared<caf::mailbox_element_ptr>(letter(Built{number, epoch, plan}));
  state.builder->build(replica.at_work.order, instead_of,
                       [me = SupervisorActor(self), plan, answer](Result<ReplicaPlan> built) {
                         *plan = std::move(built);
                         post(me, std::move(*answer));
                       });
}

/// Has the executors of an epoch ended; the answer, where one is wanted, comes from `number`.
void retire(Self self, Epoch epoch, std::optional<std::uint32_t> number) {
  if (!number) return self->state.builder->retire(epoch, [] {});
  const auto answer = std::make_shared<caf::mailbox_element_ptr>(letter(Retired{*number}));
  self->state.builder->retire(epoch, [me = SupervisorActor(self), answer] { post(me, std::move(*answer)); });
}

/// Whether a replica may be made once more, which is then noted.
bool may_restart(Self self, Replica& replica) {
  const auto now = self->clock().now();
  auto& restarts = replica.restarts;
  while (!restarts.empty() && restarts.front() + self->state.limit.span <= now) restarts.pop_front();
  if (restarts.size() >= self->state.limit.most) return false;
  restarts.push_back(now);
  return true;
}

/// A replica serves nobody: it is made again, or given up.
void replace(Self self, std::uint32_t number, Replica& replica, const Error& why) {
  SupervisorState& state = self->state;
  const Epoch epoch = replica.at_work.order.epoch;
  state.log(LogLevel::error, [&] { return why.message(); });
  if (may_restart(self, replica)) {
    self->send(state.router, Left{number, why, Left::For::a_while});
    replica.counters->leave(ReplicaState::restarting);
    ++replica.counters->restarts;
    if (replica.failed_builds == 0) return build(self, number, replica, epoch);
    return self->delayed_send(self, pause_after(replica.failed_builds), TryAgain{number, epoch});
  }
  self->send(state.router, Left{number, why, Left::For::ever});
  replica.stage = Stage::broken;
  replica.counters->leave(ReplicaState::broken);
  replica.at_work.plan = {};
  retire(self, epoch, std::nullopt);
}

/// Who is to have whose KV cache: each gets one, and no cache is lost, but where there is no room.
std::vector<Heir> heirs_of(const Succession& succession) {
  const std::vector<std::uint32_t>&old = succession.served, &made = succession.growth->numbers;
  std::vector<Heir> heirs;
  for (std::size_t i = 0; i < std::max(old.size(), made.size()) && !old.empty(); ++i) {
    heirs.push_back({old[i % old.size()], made[i % made.size()]});
  }
  return heirs;
}

/// All schedulers that are replaced have ended: what they knew is carried over.
void carry_over(Self self) {
  SupervisorState& state = self->state;
  std::vector<Legacy> legacies;
  const auto epoch = [&](std::uint32_t number) { return state.replicas.at(number).at_work.order.epoch; };
  for (const Heir& heir : heirs_of(*state.succession)) legacies.push_back({epoch(heir.of), epoch(heir.replica)});
  const auto answer = std::make_shared<caf::mailbox_element_ptr>(letter(CarriedOver()));
  state.builder->carry_over(std::move(legacies),
                            [me = SupervisorActor(self), answer] { post(me, std::move(*answer)); });
}

/// A scheduler that was to end has ended.
void dismissed(Self self, std::uint32_t number, const Replica& replica) {
  std::optional<Succession>& succession = self->state.succession;
  if (!succession || replica.departure != succession->departure) {
    return retire(self, replica.at_work.order.epoch, number);
  }
  if (--succession->missing == 0) carry_over(self);
}

void died(Self self, const caf::down_msg& down) {
  for (auto& [number, replica] : self->state.replicas) {
    if (!replica.scheduler || replica.scheduler.address() != down.source) continue;
    replica.scheduler = nullptr;
    if (replica.stage == Stage::retiring) return dismissed(self, number, replica);
    const Error why(Code::aborted, name_of(number) + " has failed: " + words(down.reason));
    for (const Members& members : replica.at_work.plan.stages) {
      for (const auto& executor : members) executor->abort(why);
    }
    return replace(self, number, replica, why);
  }
}

/// Ends its scheduler.
void dismiss(Replica& replica) {
  replica.at_work.plan = {};
  replica.stage = Stage::retiring;
  replica.counters->leave(ReplicaState::draining);
  if (replica.scheduler) post(replica.scheduler, std::move(replica.dismissal));
}

/// Its requests go on elsewhere from here on, so its scheduler and executors may end at once.
void take_out(Self self, std::uint32_t number, Replica& replica) {
  self->send(self->state.router, Left{number, {Code::aborted, "drained"}, Left::For::drained});
  const bool idle = !replica.scheduler;
  dismiss(replica);
  if (idle) retire(self, replica.at_work.order.epoch, number);
}

/// One that is being made is taken out when it is there.
void depart(Self self, std::uint32_t number, std::shared_ptr<Departure> departure) {
  Replica& replica = self->state.replicas.at(number);
  replica.departure = std::move(departure);
  if (replica.stage != Stage::building) take_out(self, number, replica);
}

/// All that there were before a change, but those that are on their way already.
std::vector<std::uint32_t> others_than(const SupervisorState& state, const std::vector<std::uint32_t>& numbers) {
  std::vector<std::uint32_t> others;
  for (const auto& [number, replica] : state.replicas) {
    const bool made = std::find(numbers.begin(), numbers.end(), number) != numbers.end();
    if (!made && !replica.departure) others.push_back(number);
  }
  return others;
}

void leave(Departure& departure) {
  if (--departure.missing == 0) departure.ended();
}

/// What has been made is to serve in place of all others, whose work ends here.
void begin_succession(Self self, const std::shared_ptr<Growth>& growth) {
  SupervisorState& state = self->state;
  state.pattern = state.replicas.at(growth->numbers[0]).at_work.order;
  state.pattern.graph = renamed(state.pattern.graph, growth->numbers[0], 0);
  std::vector<std::uint32_t> all = others_than(state, growth->numbers);
  const auto ended = [self, done = growth->done, changed = Changed{growth->numbers, all.size()}] {
    self->state.replacing = false;
    done->set_value(changed);
  };
  const auto departure = std::make_shared<Departure>(Departure{all.size() + 1, ended});
  Succession& succession = state.succession.emplace(Succession{growth, departure, std::move(all)});
  for (const std::uint32_t number : succession.all) {
    Replica& replica = state.replicas.at(number);
    if (!replica.scheduler) {
      depart(self, number, departure);
      continue;
    }
    succession.served.push_back(number);
    replica.departure = departure;
    dismiss(replica);
  }
  succession.missing = succession.served.size();
  if (succession.missing == 0) carry_over(self);
}

void succeed(Self self) {
  SupervisorState& state = self->state;
  const Succession succession = std::move(*state.succession);
  state.succession.reset();
  Joined joined{{}, succession.all, heirs_of(succession)};
  for (const std::uint32_t number : succession.growth->numbers) {
    Replica& replica = state.replicas.at(number);
    replica.growth.reset();
    joined.replicas.push_back(start(self, number, replica));
  }
  self->send(state.router, std::move(joined));
  for (const std::uint32_t number : succession.served) {
    retire(self, state.replicas.at(number).at_work.order.epoch, number);
  }
  leave(*succession.departure);
}

/// What has been asked for together is whole: it serves, or it goes.
void finish(Self self, const std::shared_ptr<Growth>& growth) {
  SupervisorState& state = self->state;
  if (growth->replaces && !growth->why) return begin_succession(self, growth);
  Joined joined;
  for (const std::uint32_t number : growth->numbers) {
    const auto replica = state.replicas.find(number);
    replica->second.growth.reset();
    if (!growth->why) {
      joined.replicas.push_back(start(self, number, replica->second));
    } else {
      retire(self, replica->second.at_work.order.epoch, std::nullopt);
      state.replicas.erase(replica);
    }
  }
  if (growth->why) {
    state.replacing &= !growth->replaces;
    return growth->done->set_value(*growth->why);
  }
  self->send(state.router, std::move(joined));
  growth->done->set_value(Changed{growth->numbers});
}

void built(Self self, const Built& message) {
  SupervisorState& state = self->state;
  const auto found = state.replicas.find(message.replica);
  if (found == state.replicas.end() || found->second.at_work.order.epoch != message.epoch) return;
  Replica& replica = found->second;
  Result<ReplicaPlan> plan = std::move(*message.plan);
  if (plan) replica.at_work.plan = std::move(*plan);
  if (const std::shared_ptr<Growth> growth = replica.growth) {
    if (!plan) growth->why = plan.error();
    if (--growth->missing == 0) finish(self, growth);
    return;
  }
  if (replica.departure) return take_out(self, message.replica, replica);
  if (!plan) {
    const Error why(plan.error().code(), name_of(message.replica) + " cannot be made again: " + plan.error().message());
    ++replica.failed_builds;
    return replace(self, message.replica, replica, why);
  }
  replica.failed_builds = 0;
  self->send(state.router, Joined{{start(self, message.replica, replica)}});
  state.log(LogLevel::info, [&] { return name_of(message.replica) + " is back"; });
}

/// It may have been drained meanwhile.
void try_again(Self self, const TryAgain& message) {
  auto& replicas = self->state.replicas;
  const auto found = replicas.find(message.replica);
  if (found == replicas.end() || found->second.at_work.order.epoch != message.epoch) return;
  Replica& replica = found->second;
  if (replica.departure) return take_out(self, message.replica, replica);
  build(self, message.replica, replica, message.epoch);
}

/// Has replicas made of these orders, together.
void grow(Self self, std::vector<Order> orders, const std::shared_ptr<Growth>& growth) {
  SupervisorState& state = self->state;
  growth->missing = orders.size();
  for (std::uint32_t i = 0; i < orders.size(); ++i) {
    const std::uint32_t number = state.next_number++;
    growth->numbers.push_back(number);
    Replica& replica = state.replicas[number];
    replica.growth = growth;
    replica.at_work.order = std::move(orders[i]);
    replica.at_work.order.graph = renamed(replica.at_work.order.graph, growth->replaces ? i : 0, number);
  }
  for (const std::uint32_t number : growth->numbers) build(self, number, state.replicas[number], 0);
}

/// Whether nothing of the kind is under way; who asks is told.
bool may_change(const SupervisorState& state, const ChangePromise& done) {
  const bool growing = std::any_of(state.replicas.begin(), state.replicas.end(),
                                   [](const auto& each) { return each.second.growth != nullptr; });
  if (!growing && !state.replacing) return true;
  done->set_value(Error(Code::invalid_argument, "another change of the model's replicas is under way"));
  return false;
}

void replicate(Self self, const Replicate& asked) {
  if (self->state.replacing && !may_change(self->state, asked.done)) return;
  grow(self, std::vector<Order>(asked.count, self->state.pattern), std::make_shared<Growth>(Growth{asked.done}));
}

void replace_all(Self self, const Replace& asked) {
  if (!may_change(self->state, asked.done)) return;
  self->state.replacing = true;
  grow(self, asked.orders, std::make_shared<Growth>(Growth{.done = asked.done, .replaces = true}));
}

void drain(Self self, const Drain& asked) {
  auto& replicas = self->state.replicas;
  const auto found = replicas.find(asked.replica);
  if (found == replicas.end() || found->second.growth || found->second.departure) {
    return asked.done->set_value(Error(Code::not_found, "there is no " + name_of(asked.replica)));
  }
  const bool others = std::any_of(replicas.begin(), replicas.end(), [&](const auto& each) {
    return each.first != asked.replica && each.second.stage == Stage::serving;
  });
  if (!others) {
    return asked.done->set_value(
        Error(Code::invalid_argument, name_of(asked.replica) + " cannot be drained: no other serves"));
  }
  const auto ended = [done = asked.done] { done->set_value(Result<void>()); };
  depart(self, asked.replica, std::make_shared<Departure>(Departure{1, ended}));
}

void retired(Self self, const Retired& message) {
  auto& replicas = self->state.replicas;
  const auto found = replicas.find(message.replica);
  const std::shared_ptr<Departure> departure = found->second.departure;
  replicas.erase(found);
  self->state.board->remove(message.replica);
  leave(*departure);
  self->state.log(LogLevel::info, [&] { return name_of(message.replica) + " is drained"; });
}

}  // namespace

SupervisorState::~SupervisorState() {
  for (auto& [number, replica] : replicas) {
    if (replica.scheduler && replica.dismissal) post(replica.scheduler, std::move(replica.dismissal));
  }
}

SupervisorActor::behavior_type supervisor(Self self, RouterActor router, std::vector<Incarnation> replicas,
                                          std::shared_ptr<Builder> builder, std::shared_ptr<const Tokenizer> tokenizer,
                                          std::shared_ptr<ReplicaBoard> board, Log log, RestartLimit limit) {
  end_on_exception(self);
  SupervisorState& state = self->state;
  state.router = std::move(router);
  self->link_to(state.router);
  state.builder = std::move(builder);
  state.tokenizer = std::move(tokenizer);
  state.board = std::move(board);
  state.log = std::move(log);
  state.limit = limit;
  state.pattern = replicas[0].order;
  Joined joined;
  for (Incarnation& made : replicas) {
    const std::uint32_t number = state.next_number++;
    state.last_epoch = std::max(state.last_epoch, made.order.epoch);
    Replica& replica = state.replicas[number];
    replica.at_work = std::move(made);
    joined.replicas.push_back(start(self, number, replica));
  }
  self->send(state.router, std::move(joined));
  self->set_down_handler([self](const caf::down_msg& down) { died(self, down); });
  return {
      [self](const Built& message) { built(self, message); },
      [self](const Retired& message) { retired(self, message); },
      [self](const CarriedOver&) { succeed(self); },
      [self](const TryAgain& message) { try_again(self, message); },
      [self](const Replicate& message) { replicate(self, message); },
      [self](const Replace& message) { replace_all(self, message); },
      [self](const Drain& message) { drain(self, message); },
      [self](const Close&) { self->quit(caf::exit_reason::user_shutdown); },
  };
}

}  // namespace troupe::actors
