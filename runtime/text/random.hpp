#pragma once

#include <array>
#include <cstdint>

namespace troupe {

/// Philox 4x32-10 (Salmon et al., SC'11): four words that depend on counter and key alone.
[[nodiscard]] std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key);

/// A number in [0, 1): the first 24 bits of one of Philox' words, keyed by seed, counted by position and choice.
[[nodiscard]] float uniform(std::uint64_t seed, std::uint32_t position, std::uint32_t choice, std::uint32_t word);

}  // namespace troupe
