#include "runtime/deploy/memory.hpp"

#include <algorithm>
#include <string>

#include "kernels/kv_layout.hpp"
#include "runtime/model/checked.hpp"

namespace troupe {
namespace {

/// More than any machine addresses: below it, no sum over a graph's actors leaves 64 bits.
constexpr std::uint64_t most_kv_bytes = std::uint64_t{1} << 56;

Result<std::uint64_t> kv_bytes(const std::string& actor, std::uint64_t block, const DeploySettings& settings) {
  const std::uint64_t blocks = (std::uint64_t{settings.context} + kernels::kv_block - 1) / kernels::kv_block;
  const auto bytes = checked_mul(block, blocks * settings.parallel);
  if (bytes && *bytes <= most_kv_bytes) return *bytes;
  return Error(Code::out_of_memory, "actor " + actor + ": the KV of " + std::to_string(settings.parallel) +
                                        " sequences of " + std::to_string(settings.context) +
                                        " positions is beyond 2^56 bytes; ask for less context or fewer sequences");
}

/// Channels belong to who receives.
void add_channels(const Part& part, ActorMemory& memory) {
  for (const PartEnd& end : part.in) memory.other += end.slots * end.slot_bytes;
}

std::uint64_t new_weights(const WantedWeights& wanted, MemoryOrder& order) {
  std::uint64_t bytes = 0;
  for (const Weight& weight : wanted.program->weights) {
    const bool is_new = order.counted.insert(key_of(weight, order.file, wanted.device->packing())).second;
    if (is_new) bytes += wanted.device->weight_bytes(weight);
  }
  return bytes;
}

}  // namespace

Result<std::vector<ActorMemory>> memory_of(const Blueprint& blueprint, const NodeKinds& kinds, MemoryOrder& order) {
  std::vector<ActorMemory> all;
  for (const Part& part : blueprint.parts) {
    ActorMemory& memory = all.emplace_back();
    memory.actor = part.node.name;
    if (auto counted = kinds.of(part.node).memory(part, order, memory); !counted) return counted.error();
  }
  return all;
}

Result<void> memory_of_shard(const Part& part, MemoryOrder& order, ActorMemory& memory) {
  const auto wanted = order.wanted(part);
  if (!wanted) return wanted.error();
  const Program& program = *wanted->program;
  memory.weights = new_weights(*wanted, order);
  memory.activations = wanted->device->activation_bytes(program, order.settings.rows, part.node.threads);
  memory.kv_block = kv_block_bytes(program)[0];
  const auto full = kv_bytes(part.node.name, memory.kv_block, order.settings);
  if (!full) return full.error();
  memory.kv_full = *full;
  for (const KvPlace& place : program.kv) memory.kv_heads = std::max(memory.kv_heads, place.heads);
  add_channels(part, memory);
  return {};
}

/// Beside the channel, what has come out of it.
Result<void> memory_of_sampler(const Part& part, MemoryOrder&, ActorMemory& memory) {
  add_channels(part, memory);
  for (const PartEnd& end : part.in) memory.other += end.slot_bytes;
  return {};
}

/// Beside the channel, what has come and what will go.
Result<void> memory_between(const Part& part, MemoryOrder&, ActorMemory& memory) {
  add_channels(part, memory);
  for (const PartEnd& end : part.in) memory.other += 2 * end.slot_bytes;
  return {};
}

}  // namespace troupe
