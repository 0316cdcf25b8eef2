#include "actors/node.hpp"

#include <array>
#include <caf/all.hpp>

#include "actors/control.hpp"
#include "actors/failure.hpp"
#include "actors/letter.hpp"
#include "actors/resume.hpp"

namespace troupe::actors {
namespace {

/// The calling thread as one of those that run actors: keeps those that a message wakes, to run them here, and those
/// that they wake in turn, or to hand them to the system's threads. Allocates nothing.
class ThisThread final : public caf::execution_unit {
 public:
  using execution_unit::execution_unit;

  void exec_later(caf::resumable* job) override {
    if (last_ - first_ == jobs_.size()) return system().scheduler().enqueue(job);
    jobs_[last_++ % jobs_.size()] = job;
  }

  void run() {
    const NoLoggerLeft guard;
    while (first_ != last_) {
      // Where so many messages have come meanwhile, they are no longer this thread's.
      resume(jobs_[first_++ % jobs_.size()], *this,
             [this](caf::resumable* again) { system().scheduler().enqueue(again); });
    }
  }

  void leave() {
    while (first_ != last_) system().scheduler().enqueue(jobs_[first_++ % jobs_.size()]);
  }

 private:
  std::array<caf::resumable*, 64> jobs_{};
  std::size_t first_ = 0, last_ = 0;
};

/// Tells the stage how a step went. All that takes memory is made when the step comes, in an actor's handler, so that
/// nothing can fail where the step has been run.
class Report {
 public:
  Report(const StageActor& stage, std::uint32_t member)
      : stage_(stage),
        outcome_(std::make_shared<StepOutcome>()),
        letter_(std::make_shared<caf::mailbox_element_ptr>(letter(StepRan{member, outcome_}))) {}

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

NodeActor::behavior_type node(NodeActor::stateful_pointer<NodeState> self, std::shared_ptr<Executor> executor,
                              StageActor stage, std::uint32_t member) {
  end_on_exception(self);
  caf::actor_system& system = self->home_system();
  return {[=, &system](const RunStep& run) {
    const bool run_here = executor->fills_cores();
    executor->submit(run.step, [&system, run_here, report = Report(stage, member)](StepOutcome outcome) noexcept {
      ThisThread here(&system);
      report.send(std::move(outcome), here);
      run_here ? here.run() : here.leave();
    });
  }};
}

}  // namespace troupe::actors
