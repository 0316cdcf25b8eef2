#include "actors/stage.hpp"

#include <caf/all.hpp>

#include "actors/failure.hpp"
#include "actors/member.hpp"
#include "actors/spawn_tied.hpp"

namespace troupe::actors {

StageActor::behavior_type stage(StageActor::stateful_pointer<StageState> self, SchedulerActor scheduler, Epoch epoch,
                                std::uint32_t number, Members executors) {
  end_on_exception(self);
  StageState& state = self->state;
  state.scheduler = std::move(scheduler);
  state.epoch = epoch;
  state.number = number;
  for (std::uint32_t i = 0; i < executors.size(); ++i) {
    state.members.push_back(spawn_linked(self, member, epoch, executors[i], StageActor(self), i));
  }
  return {
      [self](const RunStep& run) {
        for (const MemberActor& member : self->state.members) self->send(member, run);
      },
      [self](const StepRan& ran) {
        StageState& mine = self->state;
        if (ran.outcome->epoch != mine.epoch) return;
        // The others may wait for the one that is broken.
        if (ran.outcome->broken) return self->send(mine.scheduler, StepRan{mine.number, ran.outcome});
        StageState::Pending& pending = mine.pending[ran.outcome->id];
        pending.outcome.id = ran.outcome->id;
        pending.outcome.epoch = mine.epoch;
        pending.outcome.merge(std::move(*ran.outcome));
        if (++pending.reports < mine.members.size()) return;
        self->send(mine.scheduler, StepRan{mine.number, std::make_shared<StepOutcome>(std::move(pending.outcome))});
        mine.pending.erase(ran.outcome->id);
      },
  };
}

}  // namespace troupe::actors
