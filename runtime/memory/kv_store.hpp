#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/memory/buffer.hpp"

namespace troupe {

/// One shard's KV cache: blocks of kernels::kv_block positions, allocated when first used and kept for the next
/// sequence. Which sequence owns a block is the scheduler's business. One thread at a time.
class KvStore {
 public:
  /// `most`: blocks for whose table memory is set aside.
  explicit KvStore(std::size_t block_bytes, std::size_t most = 0) : block_bytes_(block_bytes) { blocks_.reserve(most); }

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

  /// The first byte of a present block.
  [[nodiscard]] std::byte* block(std::uint32_t id) const { return blocks_[id].data(); }

 private:
  std::size_t block_bytes_;
  std::vector<Buffer> blocks_;
};

}  // namespace troupe
