#include "runtime/deploy/memory.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/program/tokens.hpp"

namespace troupe {
namespace {

/// Channels belong to who receives.
void add_channels(const Part& part, ActorMemory& memory) {
  for (const PartEnd& end : part.in) memory.other += end.slots * end.slot_bytes;
}

void add_sampling(const Part& part, const MemoryOrder& order, ActorMemory& memory) {
  const DeploySettings& settings = order.settings;
  if (!part.source.empty()) memory.other += LogitsEnd::bytes({order.model.tokens, settings.context, settings.parallel});
}

std::uint64_t new_weights(const WantedWeights& wanted, MemoryOrder& order) {
  std::uint64_t bytes = wanted.stream == nullptr ? 0 : wanted.stream->bytes();
  const auto kept = wanted.kept();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i]) continue;
    const Weight& weight = wanted.program->weights[i];
    const bool is_new = order.counted.insert(key_of(weight, wanted.device->packing())).second;
    if (is_new) bytes += wanted.device->weight_bytes(weight);
  }
  return bytes;
}

/// What the KV cache of a replica holds when it is full, by its shards.
Result<void> count_kv(const Blueprint& blueprint, const ReplicaParts& replica, const MemoryOrder& order,
                      std::vector<ActorMemory>& all) {
  KvDemand demand = kv_demand_of(order.model, blueprint, replica);
  for (const auto& stage : replica.stages) {
    for (const std::uint32_t part : stage) add_shard(demand, order.kv_blocks[part]);
  }
  const auto groups = cut_kv(demand, order.settings.kv_memory);
  if (!groups) return groups.error();
  for (const auto& stage : replica.stages) {
    for (const std::uint32_t part : stage) {
      if (!order.kv_blocks[part].empty()) all[part].kv_full = kv_bytes(*groups, order.kv_blocks[part]);
    }
  }
  return {};
}

}  // namespace

KvDemand kv_demand_of(const ModelDescription& model, const Blueprint& blueprint, const ReplicaParts& replica) {
  const DeploySettings& settings = blueprint.settings;
  std::uint32_t kv_parts = 1;  // the same in all stages that have layers; a host's actor is alone
  for (const auto& stage : replica.stages) {
    kv_parts = std::max(kv_parts, blueprint.parts[stage[0]].group.ranks.kv_parts());
  }
  return kv_demand(model, settings.context, settings.parallel, settings.rows, kv_parts);
}

Result<std::vector<ActorMemory>> memory_of(const Blueprint& blueprint, const NodeKinds& kinds, MemoryOrder& order) {
  std::vector<ActorMemory> all;
  order.kv_blocks.assign(blueprint.parts.size(), {});
  for (const Part& part : blueprint.parts) {
    ActorMemory& memory = all.emplace_back();
    memory.actor = part.node.name;
    order.part = all.size() - 1;
    if (auto counted = kinds.of(part.node).memory(part, order, memory); !counted) return counted.error();
  }
  for (const ReplicaParts& replica : blueprint.replicas) {
    if (auto counted = count_kv(blueprint, replica, order, all); !counted) return counted.error();
  }
  return all;
}

Result<void> memory_of_shard(const Part& part, MemoryOrder& order, ActorMemory& memory) {
  const auto wanted = order.wanted(part);
  if (!wanted) return wanted.error();
  const Program& program = *wanted->program;
  memory.weights = new_weights(*wanted, order);
  memory.activations = wanted->device->activation_bytes(program, order.settings.rows, part.node.threads);
  const std::vector<std::uint64_t>& block = order.kv_blocks[order.part] = kv_block_bytes(program);
  memory.kv_block = std::accumulate(block.begin(), block.end(), std::uint64_t{0});
  for (const KvPlace& place : program.kv) memory.kv_heads = std::max(memory.kv_heads, place.heads.size());
  add_channels(part, memory);
  add_sampling(part, order, memory);
  return {};
}

/// Beside the channel, what has come out of it.
Result<void> memory_of_sampler(const Part& part, MemoryOrder& order, ActorMemory& memory) {
  add_channels(part, memory);
  add_sampling(part, order, memory);
  for (const PartEnd& end : part.in) memory.other += end.slot_bytes;
  return {};
}

/// Beside the channel, what has come and what will go.
Result<void> memory_between(const Part& part, MemoryOrder&, ActorMemory& memory) {
  add_channels(part, memory);
  memory.other += 2 * part.in[0].slot_bytes;
  return {};
}

}  // namespace troupe
