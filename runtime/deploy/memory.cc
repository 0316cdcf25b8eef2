#include "runtime/deploy/memory.hpp"

#include <string>

#include "kernels/kv_layout.hpp"
#include "runtime/device/cpu/shard_runner.hpp"
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

std::uint64_t new_weights(const Program& program, MemoryOrder& order) {
  std::uint64_t bytes = 0;
  for (const Weight& weight : program.weights) {
    if (order.counted.insert(key_of(weight, order.file)).second) bytes += weight_bytes(weight);
  }
  return bytes;
}

}  // namespace

Result<void> memory_of_shard(const Part& part, MemoryOrder& order, ActorMemory& memory) {
  const auto program = order.program(part);
  if (!program) return program.error();
  memory.weights = new_weights(*program, order);
  memory.activations =
      activation_bytes(*program, order.settings.rows, part.node.threads, order.model.rope_thetas.size());
  memory.kv_block = KvStore(program->kv_layers, program->kv_heads, program->head_dim).block_bytes();
  const auto full = kv_bytes(part.node.name, memory.kv_block, order.settings);
  if (!full) return full.error();
  memory.kv_full = *full;
  memory.kv_heads = program->kv_heads;
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
