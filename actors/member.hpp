#pragma once

#include "actors/messages.hpp"
#include "runtime/program/executor.hpp"

namespace troupe::actors {

struct MemberState {
  const char* name = "member";
};

/// The actor of one executor, which runs a node of the graph: a shard, a sampler with a thread of its own, a host's
/// actor. Hands each step of its epoch to its executor and never blocks; the outcome goes to its stage as `number`.
/// Where the executor's threads fill every core, the actors that an outcome wakes run on its thread, which then takes
/// up the next step; else on one of the system's, meanwhile.
[[nodiscard]] MemberActor::behavior_type member(MemberActor::stateful_pointer<MemberState> self, Epoch epoch,
                                                std::shared_ptr<Executor> executor, StageActor stage,
                                                std::uint32_t number);

}  // namespace troupe::actors
