#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// Where one of a shard's layers keeps its KV heads: how many bytes from the start of a block of its group (see
/// KvGroups), head by head, each as kernels::kv_head_bytes says.
struct KvPlace {
  std::uint32_t layer = 0;
  std::uint32_t group = 0;
  std::size_t offset = 0;
  Range heads{};  ///< of the layer's
  std::uint32_t head_dim = 0;
};

/// A shard's KV cache, for who moves what it holds to another shard, while neither runs a step. One thread at a time.
class HeldKv {
 public:
  virtual ~HeldKv() = default;
  [[nodiscard]] virtual std::span<const KvPlace> places() const = 0;  ///< [layers of the shard]

  /// Copies out bytes of a block, from `offset` on. False where the block is not present.
  [[nodiscard]] virtual bool read(std::uint32_t group, std::uint32_t block, std::size_t offset,
                                  std::span<std::byte> bytes) const = 0;

  /// Copies bytes into a block, which becomes present; out_of_memory where it cannot.
  [[nodiscard]] virtual Result<void> write(std::uint32_t group, std::uint32_t block, std::size_t offset,
                                           std::span<const std::byte> bytes) = 0;
};

/// A block of one replica's cache that becomes one of another's, where positions may be dealt out otherwise: see
/// KvPool::take_over.
struct KvMove {
  std::uint32_t group, from;  ///< there
  std::uint32_t to_group, to;
};

/// Copies blocks from all shards of a replica to all of another, of the same model: head by head, since each may hold
/// other layers and heads than any of the other's. Returns the bytes that were copied.
[[nodiscard]] Result<std::uint64_t> move_kv(std::span<HeldKv* const> from, std::span<HeldKv* const> to,
                                            std::span<const KvMove> moves);

}  // namespace troupe
