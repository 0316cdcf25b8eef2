#pragma once

#include <cstdint>

namespace troupe::kernels {

/// How weights lie in memory once packed.
enum class Packing : std::uint8_t {
  q4,      ///< 4-bit, scale (from Q4_0)
  q4_min,  ///< 4-bit, scale and minimum (from Q4_1)
  q4_k,    ///< 4-bit, 6-bit scale and minimum times those of the super-block (from Q4_K)
  q8,      ///< 8-bit, scale (from Q8_0 and, widened, Q5_0)
  q6_k,    ///< 8-bit (widened 6-bit), a scale for every 16 columns (from Q6_K)
  f16,
  f32,
};

}  // namespace troupe::kernels
