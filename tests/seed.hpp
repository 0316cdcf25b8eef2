#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace troupe::testing {

/// Where tests that try many seeds begin: always at the same one, or at TROUPE_SEED.
inline std::uint32_t first_seed() {
  const char* asked = std::getenv("TROUPE_SEED");
  return asked == nullptr ? 1 : static_cast<std::uint32_t>(std::stoul(asked));
}

}  // namespace troupe::testing
