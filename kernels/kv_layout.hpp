#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

/// Positions of one numerics block of attention, and of one block of the paged KV cache.
inline constexpr std::size_t kv_block = 64;

/// A head's elements are a multiple of head_dim_unit, and no more than this.
inline constexpr std::size_t head_dim_unit = 16, max_head_dim = 512;

/// One KV head of one layer in one KV block, in F16: K transposed, [head_dim][kv_block], so that the lanes of a
/// vector are positions; then V, [kv_block][head_dim], so that they are dimensions.
[[nodiscard]] constexpr std::size_t kv_head_bytes(std::size_t head_dim) {
  return 2 * head_dim * kv_block * sizeof(std::uint16_t);
}
[[nodiscard]] constexpr std::size_t kv_value_offset(std::size_t head_dim) {
  return head_dim * kv_block * sizeof(std::uint16_t);
}

}  // namespace troupe::kernels
