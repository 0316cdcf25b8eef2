#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/table.hpp"
#include "runtime/text/sampling_room.hpp"

namespace troupe {

/// The logarithm of the probability of `chosen`, then of the likeliest ids, as many as there are to be and have a
/// chance, from logits that have no fault: as they are, whatever the sampling is. The sum runs over fixed segments of
/// the vocabulary.
[[nodiscard]] std::vector<TokenLogprob> logprobs(std::span<const float> logits, TokenId chosen, std::uint32_t count,
                                                 const kernels::KernelTable& kernels, SamplingRoom& room);

}  // namespace troupe
