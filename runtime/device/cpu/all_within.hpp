#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace troupe::cpu {

/// Whether all are numbers between -beyond and beyond. Without a branch, so that the compiler makes vectors of them.
[[nodiscard]] inline bool all_within(const float* values, std::size_t count, float beyond) {
  std::uint32_t outside = 0;
  for (std::size_t i = 0; i < count; ++i) outside |= static_cast<std::uint32_t>(!(std::fabs(values[i]) < beyond));
  return outside == 0;
}

}  // namespace troupe::cpu
