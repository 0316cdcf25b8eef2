#include "actors/scheduler.hpp"

#include <caf/all.hpp>

#include "actors/failure.hpp"
#include "actors/sampler.hpp"
#include "actors/spawn_tied.hpp"
#include "actors/stage.hpp"

namespace troupe::actors {
namespace {

using Self = SchedulerActor::stateful_pointer<SchedulerState>;

void publish(const Batcher& batcher, ReplicaCounters& counters) {
  constexpr auto order = std::memory_order_relaxed;
  const BatchStats stats = batcher.stats();
  counters.queued.store(static_cast<std::uint32_t>(stats.waiting), order);
  counters.running.store(static_cast<std::uint32_t>(stats.running), order);
  counters.kv_blocks.store(static_cast<std::uint32_t>(stats.kv.blocks), order);
  counters.kv_used.store(static_cast<std::uint32_t>(stats.kv.held), order);
  counters.kv_cached.store(static_cast<std::uint32_t>(stats.kv.cached), order);
}

/// Sends out every step that may be sent now.
void pump(Self self) {
  SchedulerState& state = self->state;
  while (auto step = state.batcher->next()) {
    const RunStep run{std::make_shared<const Step>(std::move(*step))};
    state.under_way.emplace(run.step->id,
                            SchedulerState::UnderWay{run.step, 0, std::vector<StepOutcome>(state.stages.size())});
    for (const StageActor& stage : state.stages) self->send(stage, run);
  }
  publish(*state.batcher, *state.counters);
}

/// A request's rows that are under way come to nothing. False where it has ended before.
bool forget(Self self, SequenceId id) {
  if (self->state.open.erase(id) == 0) return false;
  self->state.deadlines.erase(id);
  self->state.batcher->stop(id);
  return true;
}

/// Ends a request, at once towards the host.
void end(Self self, SequenceId id, Finish how) {
  if (forget(self, id)) self->send(self->state.sampler, End{id, std::move(how)});
}

void pass_deadline(Self self, SequenceId id) {
  end(self, id, ended_by({Code::deadline, "the request's deadline has passed"}));
  self->state.log(LogLevel::warning, [&] { return "request " + std::to_string(id) + ": its deadline has passed"; });
}

/// One timer for all, and a short one: CAF keeps each until it is due, however early its request has ended.
void watch_deadlines(Self self) {
  SchedulerState& state = self->state;
  if (state.deadlines.empty()) return;
  constexpr std::chrono::seconds longest(1);
  const auto now = self->clock().now();
  auto when = now + longest;
  for (const auto& [id, deadline] : state.deadlines) when = std::min(when, deadline);
  const bool overdue = state.next_look && *state.next_look + longest < now;  // it is lost: memory was wanting
  if (state.next_look && *state.next_look <= when && !overdue) return;
  state.next_look = when;
  self->delayed_send(self, std::max(when - now, caf::actor_clock::duration_type::zero()), LookAtClock{when});
}

void look_at_clock(Self self, const LookAtClock& look) {
  SchedulerState& state = self->state;
  if (state.next_look == look.when) state.next_look.reset();
  const auto now = self->clock().now();
  std::vector<SequenceId> late;
  for (const auto& [id, deadline] : state.deadlines) {
    if (deadline <= now) late.push_back(id);
  }
  for (const SequenceId id : late) pass_deadline(self, id);
  watch_deadlines(self);
}

void submit(Self self, const Submit& submit) {
  SchedulerState& state = self->state;
  const auto& request = submit.request;
  const SequenceId id = request->sequence.id;
  self->send(state.sampler, Begin{request});
  state.open.emplace(id, request);
  state.batcher->add(request->sequence);
  if (request->deadline) {
    const auto left = *request->deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return pass_deadline(self, id);
    state.deadlines[id] = self->clock().now() + left;
    watch_deadlines(self);
  }
  pump(self);
}

/// A member is broken: no step that is under way or to come can be trusted to end. The supervisor hears of it and why.
void give_up(Self self, const Error& why) { self->quit(failure(why.message())); }

/// Of several failures of one slice the want of memory prevails, for what it left undone may make the others; else the
/// first in the order of the stages.
void end_failed(Self self, const Step& step, const std::vector<SliceFailure>& failures) {
  for (const bool memory : {true, false}) {
    for (const SliceFailure& failure : failures) {
      if ((failure.error.code() == Code::out_of_memory) != memory) continue;
      end(self, step.slices[failure.slice].sequence, ended_by(failure.error));
    }
  }
}

void finish_step(Self self, const Step& step, const StepOutcome& outcome) {
  SchedulerState& state = self->state;
  end_failed(self, step, outcome.failures);
  Sampled sampled;
  for (const SampledToken& token : outcome.tokens) {
    const SequenceSlice& slice = step.slices[token.slice];
    const SequenceId id = slice.sequence;
    const auto request = state.open.find(id);
    if (request == state.open.end()) continue;
    if (!slice.tokens.empty()) request->second->stream->begin(state.batcher->cached_tokens(id));
    sampled.tokens.push_back({id, token.token, token.logprobs});
    if (request->second->terms.ends_at(token.token, *state.tokenizer)) state.batcher->stop(id);
  }
  if (!sampled.tokens.empty()) self->send(state.sampler, std::move(sampled));
  // Texts have ended by themselves before; this ends what asks for logits alone.
  for (const SequenceId id : state.batcher->complete(step, outcome)) end(self, id, {.reason = FinishReason::length});
}

void step_ran(Self self, const StepRan& ran) {
  SchedulerState& state = self->state;
  const auto found = state.under_way.find(ran.outcome->id);
  if (ran.outcome->broken) return give_up(self, *ran.outcome->broken);
  found->second.outcomes[ran.from] = std::move(*ran.outcome);
  if (++found->second.reports < state.stages.size()) return;
  SchedulerState::UnderWay done = std::move(found->second);
  state.under_way.erase(found);
  StepOutcome all;
  for (StepOutcome& outcome : done.outcomes) all.merge(std::move(outcome));
  finish_step(self, *done.step, all);
  watch_deadlines(self);  // here too, since a timer can be lost
  pump(self);
}

}  // namespace

SchedulerActor::behavior_type scheduler(Self self, BatchLimits limits, RouterActor router,
                                        std::shared_ptr<const Tokenizer> tokenizer, std::vector<Members> stages,
                                        std::shared_ptr<ReplicaCounters> counters, Log log) {
  end_on_exception(self);
  SchedulerState& state = self->state;
  state.batcher.emplace(limits);
  state.tokenizer = tokenizer;
  state.counters = std::move(counters);
  publish(*state.batcher, *state.counters);
  state.log = std::move(log);
  for (std::uint32_t number = 0; number < stages.size(); ++number) {
    state.stages.push_back(spawn_linked(self, stage, SchedulerActor(self), number, std::move(stages[number])));
  }
  state.sampler = spawn_linked(self, sampler, std::move(tokenizer), std::move(router), SchedulerActor(self));
  return {
      [self](const Submit& message) { submit(self, message); },
      [self](const Stop& stop) {
        end(self, stop.id, ended_by(stop.why));
        pump(self);
      },
      [self](const StepRan& ran) { step_ran(self, ran); },
      [self](const LookAtClock& look) {
        look_at_clock(self, look);
        pump(self);
      },
      [self](const Complete& complete) {
        forget(self, complete.id);
        pump(self);
      },
  };
}

}  // namespace troupe::actors
