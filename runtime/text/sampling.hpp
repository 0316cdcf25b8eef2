#pragma once

#include <cstdint>
#include <span>

#include "kernels/table.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// A number in [0, 1) that depends on the key and the counter alone: the first 24 bits of Philox 4x32-10
/// (Salmon et al., SC'11), keyed by seed, counted by position and choice.
[[nodiscard]] float uniform(std::uint64_t seed, std::uint32_t position, std::uint32_t choice);

/// The token after `position`, from its logits. Ties go to the lowest id. Greedy at temperature 0; else among the top_k
/// likeliest, cut to the fewest whose probability reaches top_p.
[[nodiscard]] TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
                             const kernels::KernelTable& kernels);

}  // namespace troupe
