#include "actors/member.hpp"

#include <caf/all.hpp>

#include "actors/failure.hpp"
#include "actors/letter.hpp"
#include "actors/this_thread.hpp"

namespace troupe::actors {
namespace {

/// Tells the stage how a step went. All that takes memory is made when the step comes, in an actor's handler, so that
/// nothing can fail where the step has been run.
class Report {
 public:
  Report(const StageActor& stage, std::uint32_t number)
      : stage_(stage),
        outcome_(std::make_shared<StepOutcome>()),
        letter_(std::make_shared<caf::mailbox_element_ptr>(letter(StepRan{number, outcome_}))) {}

  void send(StepOutcome outcome, caf::execution_unit& unit) const {
    *outcome_ = std::move(outcome);
    post(stage_, std::move(*letter_), &unit);
  }

 private:
  StageActor stage_;
  std::shared_ptr<StepOutcome> outcome_;
  std::shared_ptr<caf::mailbox_element_ptr> letter_;  // shared, as a function's captures must be copyable
};

}  // namespace

MemberActor::behavior_type member(MemberActor::stateful_pointer<MemberState> self, Epoch epoch,
                                  std::shared_ptr<Executor> executor, StageActor stage, std::uint32_t number) {
  end_on_exception(self);
  caf::actor_system& system = self->home_system();
  return {[=, &system](const RunStep& run) {
    if (run.step->epoch != epoch) return;
    const bool run_here = executor->fills_cores();
    executor->submit(run.step, [&system, run_here, report = Report(stage, number)](StepOutcome outcome) noexcept {
      ThisThread here(&system);
      report.send(std::move(outcome), here);
      run_here ? here.run() : here.leave();
    });
  }};
}

}  // namespace troupe::actors
