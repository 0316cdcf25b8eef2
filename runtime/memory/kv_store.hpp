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
  /// `most`: blocks for whose table memory is set aside.
  KvStore(std::uint32_t layers, std::uint32_t heads, std::uint32_t head_dim, std::size_t most = 0)
      : layer_bytes_(heads * kernels::kv_head_bytes(head_dim)), block_bytes_(layers * layer_bytes_) {
    blocks_.reserve(most);
  }

  [[nodiscard]] std::size_t block_bytes() const { return block_bytes_; }
  [[nodiscard]] std::size_t layer_bytes() const { return layer_bytes_; }

  /// Makes every one of these blocks present; out_of_memory where one cannot be had.
  [[nodiscard]] Result<void> reserve(std::span<const std::uint32_t> blocks) {
    for (const std::uint32_t block : blocks) {
      if (block >= blocks_.size()) blocks_.resize(block + 1);
      if (blocks_[block].data() != nullptr) continue;
      auto buffer = Buffer::allocate(block_bytes_, "a block of the KV cache");
      if (!buffer) {
        return Error(Code::out_of_memory,
                     buffer.error().message() + "; fewer sequences at once, or shorter ones, need less memory");
      }
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
