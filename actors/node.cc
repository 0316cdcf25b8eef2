#include "actors/node.hpp"

#include <caf/all.hpp>
#include <deque>

namespace troupe::actors {
namespace {

/// The calling thread as one of those that run actors: runs those that a message wakes, and those that they wake in
/// turn.
class ThisThread final : public caf::execution_unit {
 public:
  using execution_unit::execution_unit;

  void exec_later(caf::resumable* job) override { jobs_.push_back(job); }

  void run() {
    constexpr std::size_t messages = 64;
    for (; !jobs_.empty(); jobs_.pop_front()) {
      caf::resumable* job = jobs_.front();
      if (job->resume(this, messages) == caf::resumable::resume_later) {
        system().scheduler().enqueue(job);  // so many have come meanwhile that they are no longer this thread's
      } else {
        caf::intrusive_ptr_release(job);
      }
    }
  }

 private:
  std::deque<caf::resumable*> jobs_;
};

}  // namespace

NodeActor::behavior_type node(NodeActor::stateful_pointer<NodeState> self, std::shared_ptr<Executor> executor,
                              StageActor stage, std::uint32_t member) {
  caf::actor_system& system = self->home_system();
  return {[=, &system](const RunStep& run) {
    executor->submit(run.step, [=, &system, run_here = executor->fills_cores()](StepOutcome outcome) {
      StepRan ran{member, std::make_shared<StepOutcome>(std::move(outcome))};
      if (!run_here) return caf::anon_send(stage, std::move(ran));
      ThisThread here(&system);
      caf::actor_cast<caf::abstract_actor*>(stage)->enqueue(nullptr, caf::make_message_id(),
                                                            caf::make_message(std::move(ran)), &here);
      here.run();
    });
  }};
}

}  // namespace troupe::actors
