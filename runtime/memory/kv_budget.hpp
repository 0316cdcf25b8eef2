#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/memory/kv_pool.hpp"
#include "runtime/model/description.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// What a replica's KV cache is for.
struct KvDemand {
  std::vector<std::uint32_t> windows;      ///< [groups of layers]: see KvGroups
  std::vector<std::uint64_t> block_bytes;  ///< [groups]: of a block, in all shards of the replica together
  std::uint32_t context = 0, parallel = 1, rows = 1;
  std::uint32_t parts = 1;  ///< of the positions, which so many groups in a row have
};

/// Of a replica that has no shards yet.
[[nodiscard]] KvDemand kv_demand(const ModelDescription& model, std::uint32_t context, std::uint32_t parallel,
                                 std::uint32_t rows, std::uint32_t parts = 1);

/// Counts a shard in: what it holds of a block of each group.
void add_shard(KvDemand& demand, std::span<const std::uint64_t> block_bytes);

/// How many blocks each group has, once and for all: `bytes` at most, or, where that is 0, for `parallel` sequences at
/// full context. One that has a window needs no more than its sequences can see at once, and never more than one that
/// sees everything has; the rest goes to that one. Fails with invalid_argument, saying what would fit, where one
/// sequence at full context does not, and with out_of_memory beyond 2^56 bytes.
[[nodiscard]] Result<std::vector<KvGroup>> cut_kv(const KvDemand& demand, std::uint64_t bytes);

/// Bytes of all these blocks, where one of each group has so many; UINT64_MAX beyond 2^56.
[[nodiscard]] std::uint64_t kv_bytes(const std::vector<KvGroup>& groups, std::span<const std::uint64_t> block_bytes);

}  // namespace troupe
