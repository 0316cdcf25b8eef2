#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kv_layout.hpp"
#include "runtime/memory/buffer.hpp"

namespace troupe {

/// One shard's KV cache: blocks of kernels::kv_block positions, [layers][heads] KV heads each, allocated when first
/// used and kept for the next sequence. Which sequence owns a block is the scheduler's business. One thread at a time.
class KvStore {
 public:
  KvStore(std::uint32_t layers, std::uint32_t heads, std::uint32_t head_dim)
      : layer_bytes_(heads * kernels::kv_head_bytes(head_dim)), block_bytes_(layers * layer_bytes_) {}

  [[nodiscard]] std::size_t block_bytes() const { return block_bytes_; }
  [[nodiscard]] std::size_t layer_bytes() const { return layer_bytes_; }

  /// Makes every one of these blocks present.
  [[nodiscard]] Result<void> reserve(std::span<const std::uint32_t> blocks) {
    for (const std::uint32_t block : blocks) {
      if (block >= blocks_.size()) blocks_.resize(block + 1);
      if (blocks_[block].data() != nullptr) continue;
      auto buffer = Buffer::allocate(block_bytes_, "a block of the KV cache");
      if (!buffer) return buffer.error();
      blocks_[block] = std::move(*buffer);
    }
    return {};
  }

  /// Layer 0, head 0 of a present block.
  [[nodiscard]] std::byte* block(std::uint32_t id) const { return blocks_[id].data(); }

 private:
  std::size_t layer_bytes_, block_bytes_;
  std::vector<Buffer> blocks_;
};

}  // namespace troupe
