#pragma once

#include <functional>
#include <set>
#include <vector>

#include "runtime/deploy/blueprint.hpp"
#include "runtime/memory/kv_budget.hpp"
#include "runtime/memory/weight_store.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// What it takes to say what the parts of a blueprint will hold.
struct MemoryOrder {
  const ModelDescription& model;
  const DeploySettings& settings;
  std::function<Result<WantedWeights>(const Part&)> wanted;  ///< of a shard
  std::set<PieceKey> counted{};  ///< pieces of weights that parts share count for the first of them

  // Of the blueprint that is being counted.
  std::size_t part = 0;
  std::vector<std::vector<std::uint64_t>> kv_blocks{};  ///< [parts][groups of layers]: bytes of a block
};

/// What the KV cache of one of a blueprint's replicas is for, before its shards are counted in.
[[nodiscard]] KvDemand kv_demand_of(const ModelDescription& model, const Blueprint& blueprint,
                                    const ReplicaParts& replica);

/// Of each part of a blueprint, by the rules by which it allocates.
[[nodiscard]] Result<std::vector<ActorMemory>> memory_of(const Blueprint& blueprint, const NodeKinds& kinds,
                                                         MemoryOrder& order);

/// The memory of the kinds of node: see NodeKind.
[[nodiscard]] Result<void> memory_of_shard(const Part& part, MemoryOrder& order, ActorMemory& memory);
[[nodiscard]] Result<void> memory_of_sampler(const Part& part, MemoryOrder& order, ActorMemory& memory);
[[nodiscard]] Result<void> memory_between(const Part& part, MemoryOrder& order, ActorMemory& memory);

}  // namespace troupe
