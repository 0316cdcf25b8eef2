#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/memory/buffer.hpp"

namespace troupe {

/// One shard's KV cache: for each group of layers, blocks of kernels::kv_block positions, allocated when first used and
/// kept for whoever comes next. Which sequence owns a block is the scheduler's business. One thread at a time.
class KvStore {
 public:
  /// What the shard holds of a group: 0 bytes a block where none of its layers is in it.
  struct Group {
    std::size_t block_bytes = 0;
    std::size_t most = 0;  ///< blocks for whose table memory is set aside
  };
  explicit KvStore(const std::vector<Group>& groups);

  /// Makes a block present; out_of_memory where it cannot be had.
  [[nodiscard]] Result<void> reserve(std::uint32_t group, std::uint32_t block);

  /// The first byte of a block; null where it is not present, or the shard holds nothing of its group.
  [[nodiscard]] std::byte* block(std::uint32_t group, std::uint32_t block) const;

  [[nodiscard]] std::size_t groups() const { return groups_.size(); }
  [[nodiscard]] std::size_t block_bytes(std::uint32_t group) const { return groups_[group].block_bytes; }

  /// A present block's content, block_bytes(group): the same bytes in any shard with the same layers and heads.
  [[nodiscard]] std::span<const std::byte> export_block(std::uint32_t group, std::uint32_t block) const;

  /// Fills a block, which becomes present, with what another store has exported; invalid_argument where it is of
  /// another size.
  [[nodiscard]] Result<void> import_block(std::uint32_t group, std::uint32_t block, std::span<const std::byte> content);

 private:
  struct Blocks {
    std::size_t block_bytes;
    std::vector<Buffer> blocks;
  };
  std::vector<Blocks> groups_;
};

}  // namespace troupe
