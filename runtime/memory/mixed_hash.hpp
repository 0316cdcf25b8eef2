#pragma once

#include <cstdint>

namespace troupe {

/// A hash of what `hash` is of, and of one number more.
[[nodiscard]] inline std::uint64_t mixed(std::uint64_t hash, std::uint64_t with) {
  hash = (hash ^ with) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 32;
}

}  // namespace troupe
