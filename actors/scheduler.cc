#include "actors/scheduler.hpp"

#include <caf/all.hpp>
#include <set>

#include "actors/failure.hpp"
#include "actors/sampler.hpp"
#include "actors/spawn_tied.hpp"
#include "actors/stage.hpp"

namespace troupe::actors {
namespace {

using Self = SchedulerActor::stateful_pointer<SchedulerState>;

void publish(const Batcher& batcher, ReplicaCounters& counters) {
  constexpr auto order = std::memory_order_relaxed;  // figures to look at: nothing is read by them
  const BatchStats stats = batcher.stats();
  counters.queued.store(static_cast<std::uint32_t>(stats.waiting), order);
  counters.running.store(static_cast<std::uint32_t>(stats.running), order);
  counters.kv_blocks.store(static_cast<std::uint32_t>(stats.kv.blocks), order);
  counters.kv_used.store(static_cast<std::uint32_t>(stats.kv.held), order);
  counters.kv_cached.store(static_cast<std::uint32_t>(stats.kv.cached), order);
  counters.preempted.store(static_cast<std::uint32_t>(stats.given_back), order);
}

/// Sends out every step that may be sent now.
void pump(Self self) {
  SchedulerState& state = self->state;
  while (auto step = state.batcher->next()) {
    step->epoch = state.epoch;
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
  self->state.batcher->stop(id);
  return true;
}

/// Ends a request, at once towards the host.
void end(Self self, SequenceId id, Finish how) {
  if (forget(self, id)) self->send(self->state.sampler, End{id, std::move(how), self->state.epoch});
}

/// A sequence that another replica has begun goes on where its stream stands: what that has been given is computed
/// again, as if it had been asked for, and the rest is sampled as it would have been, since the position is part of the
/// key.
SequenceRequest resumed(const Submit& submit) {
  SequenceRequest sequence = submit.request->sequence;
  if (submit.log.empty()) return sequence;
  sequence.surprise_bound = submit.surprise_bound;
  sequence.prompt.insert(sequence.prompt.end(), submit.log.begin(), submit.log.end());
  sequence.resumed = static_cast<std::uint32_t>(submit.log.size());
  return sequence;
}

void submit(Self self, const Submit& submit) {
  self->send(self->state.sampler, Begin{submit.request, submit.log});
  self->state.open.emplace(submit.request->sequence.id, submit.request);
  self->state.batcher->add(resumed(submit));
  pump(self);
}

/// A member is broken: no step that is under way or to come can be trusted to end. The supervisor hears of it and why.
void give_up(Self self, const Error& why) {
  std::set<SequenceId> ids;
  for (const auto& [id, step] : self->state.under_way) {
    for (const SequenceSlice& slice : step.step->slices) ids.insert(slice.sequence);
  }
  self->send(self->state.router, Suspects{{ids.begin(), ids.end()}, self->state.epoch});
  self->quit(failure(why.message()));
}

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

/// Each stream hears what the cache had of its prompt, before its first token or its end.
void tell_cached(const SchedulerState& state, const Step& step) {
  for (const SequenceSlice& slice : step.slices) {
    if (slice.tokens.empty()) continue;
    const auto request = state.open.find(slice.sequence);
    if (request != state.open.end()) request->second->stream->begin(state.batcher->cached_tokens(slice.sequence));
  }
}

void finish_step(Self self, const Step& step, const StepOutcome& outcome) {
  SchedulerState& state = self->state;
  end_failed(self, step, outcome.failures);
  tell_cached(state, step);
  Sampled sampled;
  for (const SampledToken& token : outcome.tokens) {
    const SequenceSlice& slice = step.slices[token.slice];
    const SequenceId id = slice.sequence;
    const auto request = state.open.find(id);
    if (request == state.open.end()) continue;
    sampled.tokens.push_back({id, token.token, token.logprobs, token.surprise_bound});
    if (request->second->terms.ends_at(token.token, *state.tokenizer)) state.batcher->stop(id);
  }
  if (!sampled.tokens.empty()) self->send(state.sampler, std::move(sampled));
  // Texts have ended by themselves before; this ends what asks for logits alone.
  for (const SequenceId id : state.batcher->complete(step, outcome)) end(self, id, {.reason = FinishReason::length});
}

void step_ran(Self self, const StepRan& ran) {
  SchedulerState& state = self->state;
  if (ran.outcome->epoch != state.epoch) return;
  const auto found = state.under_way.find(ran.outcome->id);
  if (ran.outcome->broken) return give_up(self, *ran.outcome->broken);
  found->second.outcomes[ran.from] = std::move(*ran.outcome);
  if (++found->second.reports < state.stages.size()) return;
  SchedulerState::UnderWay done = std::move(found->second);
  state.under_way.erase(found);
  StepOutcome all;
  for (StepOutcome& outcome : done.outcomes) all.merge(std::move(outcome));
  finish_step(self, *done.step, all);
  pump(self);
}

}  // namespace

SchedulerActor::behavior_type scheduler(Self self, Epoch epoch, ReplicaPlan plan, RouterActor router,
                                        std::shared_ptr<const Tokenizer> tokenizer,
                                        std::shared_ptr<ReplicaCounters> counters) {
  end_on_exception(self);
  SchedulerState& state = self->state;
  state.epoch = epoch;
  state.batcher.emplace(plan.limits, std::move(plan.pool));
  state.counters = std::move(counters);
  publish(*state.batcher, *state.counters);
  state.router = router;
  state.tokenizer = tokenizer;
  for (std::uint32_t number = 0; number < plan.stages.size(); ++number) {
    const SchedulerActor me(self);
    state.stages.push_back(spawn_linked(self, stage, me, epoch, number, std::move(plan.stages[number])));
  }
  state.sampler = spawn_linked(self, sampler, epoch, std::move(tokenizer), std::move(router), SchedulerActor(self));
  return {
      [self](const Submit& message) { submit(self, message); },
      [self](const Stop& stop) {
        end(self, stop.id, ended_by(stop.why));
        pump(self);
      },
      [self](const StepRan& ran) { step_ran(self, ran); },
      [self](const Complete& complete) {
        forget(self, complete.id);
        pump(self);
      },
  };
}

}  // namespace troupe::actors
