#include "actors/node.hpp"

#include <caf/all.hpp>

namespace troupe::actors {

NodeActor::behavior_type node(NodeActor::stateful_pointer<NodeState> /*self*/, std::shared_ptr<Executor> executor,
                              StageActor stage, std::uint32_t member) {
  return {[=](const RunStep& run) {
    executor->submit(run.step, [stage, member](StepOutcome outcome) {
      caf::anon_send(stage, StepRan{member, std::make_shared<StepOutcome>(std::move(outcome))});
    });
  }};
}

}  // namespace troupe::actors
