#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

/// Columns that share one scale, of activations and (at least) of weights.
inline constexpr std::size_t block_columns = 32;

/// 32 activations, quantised symmetrically: x[i] ~ scale * q[i], q in -127..127.
struct alignas(16) Q8Block {
  std::int8_t q[block_columns];
  float scale;                 ///< max |x| / 127
  float scaled_sum;            ///< scale * float(sum of q): what a weight format with a minimum multiplies
  std::int32_t neg_sum;        ///< -(sum of q): what a weight format with an offset multiplies
  std::int32_t neg_first_sum;  ///< the same of the first 16, for formats that scale half blocks
};
static_assert(sizeof(Q8Block) == 48);

}  // namespace troupe::kernels
