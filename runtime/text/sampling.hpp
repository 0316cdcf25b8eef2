#pragma once

#include <cstdint>
#include <span>

#include "kernels/table.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// Why no token can be sampled from these logits, or null where one can: one of them is no number, or all are minus
/// infinity. Plus infinity is a number, and wins.
[[nodiscard]] const char* fault_of(std::span<const float> logits);

/// The token after `position`, from its logits, at least one of them. Ties go to the lowest id. Greedy at temperature
/// 0; else among the top_k likeliest, cut to the fewest whose probability reaches top_p. Of logits that have a fault
/// the result is some id: callers look for it first.
[[nodiscard]] TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
                             const kernels::KernelTable& kernels);

}  // namespace troupe
