#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/memory/buffer.hpp"
#include "runtime/memory/held_kv.hpp"

namespace troupe {

/// One shard's KV cache: for each group of layers, blocks of kernels::kv_block positions, allocated when first used and
/// kept for whoever comes next. Which sequence owns a block is the scheduler's business. One thread at a time.
class KvStore : public HeldKv {
 public:
  /// What the shard holds of a group: 0 bytes a block where none of its layers is in it.
  struct Group {
    std::size_t block_bytes = 0;
    std::size_t most = 0;  ///< blocks for whose table memory is set aside
  };
  /// `places`: see HeldKv; they must outlive it.
  explicit KvStore(const std::vector<Group>& groups, std::span<const KvPlace> places = {});

  /// Makes a block present; out_of_memory where it cannot be had.
  [[nodiscard]] Result<void> reserve(std::uint32_t group, std::uint32_t block);

  /// The first byte of a block; null where it is not present, or the shard holds nothing of its group.
  [[nodiscard]] std::byte* block(std::uint32_t group, std::uint32_t block) const;

  [[nodiscard]] std::size_t groups() const { return groups_.size(); }

  [[nodiscard]] std::span<const KvPlace> places() const override { return places_; }
  [[nodiscard]] bool read(std::uint32_t group, std::uint32_t block, std::size_t offset,
                          std::span<std::byte> bytes) const override;
  [[nodiscard]] Result<void> write(std::uint32_t group, std::uint32_t block, std::size_t offset,
                                   std::span<const std::byte> bytes) override;

 private:
  struct Blocks {
    std::size_t block_bytes;
    std::vector<Buffer> blocks;
  };
  std::span<const KvPlace> places_;
  std::vector<Blocks> groups_;
};

}  // namespace troupe
