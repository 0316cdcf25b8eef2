#pragma once

#include <cstdint>
#include <span>

#include "kernels/table.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// The token after `position`, from its logits, at least one of them. Ties go to the lowest id. Greedy at temperature
/// 0; else among the top_k likeliest, cut to the fewest whose probability reaches top_p. A logit that is no number has
/// no chance.
[[nodiscard]] TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
                             const kernels::KernelTable& kernels);

}  // namespace troupe
