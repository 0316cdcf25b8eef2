#pragma once

#include <functional>
#include <set>

#include "runtime/deploy/blueprint.hpp"
#include "runtime/memory/weight_store.hpp"
#include "runtime/program/program.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// What it takes to say what the parts of a blueprint will hold.
struct MemoryOrder {
  const ModelDescription& model;
  const DeploySettings& settings;
  const void* file;  ///< of the model, as a WeightStore has it
  std::function<Result<Program>(const Part&)> program;
  std::set<PieceKey> counted{};  ///< pieces of weights that parts share count for the first of them
};

/// The memory of the kinds of node: see NodeKind.
[[nodiscard]] Result<void> memory_of_shard(const Part& part, MemoryOrder& order, ActorMemory& memory);
[[nodiscard]] Result<void> memory_of_sampler(const Part& part, MemoryOrder& order, ActorMemory& memory);
[[nodiscard]] Result<void> memory_between(const Part& part, MemoryOrder& order, ActorMemory& memory);

}  // namespace troupe
