#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/table.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// Philox 4x32-10 (Salmon et al., SC'11): four words that depend on counter and key alone.
[[nodiscard]] std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key);

/// A number in [0, 1): the first 24 bits of Philox, keyed by seed, counted by position and choice.
[[nodiscard]] float uniform(std::uint64_t seed, std::uint32_t position, std::uint32_t choice);

/// The token after `position`, from its logits, at least one of them. Ties go to the lowest id. Greedy at temperature 0; else
/// among the top_k likeliest, cut to the fewest whose probability reaches top_p. A logit that is no number has no chance.
[[nodiscard]] TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
                             const kernels::KernelTable& kernels);

}  // namespace troupe
