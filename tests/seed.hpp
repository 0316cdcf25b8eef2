#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace troupe::testing {

/// Numbers of 32 bits, of a type that has no more.
using Random = std::independent_bits_engine<std::mt19937, 32, std::uint32_t>;

/// Where tests that try many seeds begin: always at the same one, or at TROUPE_SEED.
inline std::uint32_t first_seed() {
  const char* asked = std::getenv("TROUPE_SEED");
  return asked == nullptr ? 1 : static_cast<std::uint32_t>(std::stoul(asked));
}

}  // namespace troupe::testing
