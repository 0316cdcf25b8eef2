#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "kernels/packed.hpp"

namespace troupe {

/// A leaf that no product makes, rounded as the leaves of products are; none where it is out of range.
[[nodiscard]] inline std::optional<std::int64_t> fixed_leaf(float leaf) {
  if (!(std::fabs(leaf) <= kernels::fixed_limit)) return std::nullopt;
  return std::llrint(static_cast<double>(leaf) * 0x1p32);
}

}  // namespace troupe
