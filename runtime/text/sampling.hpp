#pragma once

#include <cstdint>
#include <span>

#include "kernels/table.hpp"
#include "runtime/text/sampling_room.hpp"
#include "runtime/text/sampling_state.hpp"
#include "runtime/text/sampling_terms.hpp"

namespace troupe {

/// Why no token can be sampled from these logits, or null where one can: one of them is no number, or all are minus
/// infinity. Plus infinity is a number, and wins.
[[nodiscard]] const char* fault_of(std::span<const float> logits);

/// The logits after `position` that tokens are sampled of: as they are, or, in the room, with biases and penalties, and
/// without what may not come yet.
[[nodiscard]] std::span<const float> adjusted(std::span<const float> logits, const SamplingTerms& terms,
                                              const SamplingState& state, std::uint32_t position, SamplingRoom& room);

/// The token after `position`, from its adjusted logits, at least one of them, and moves Mirostat's bound. Ties go to
/// the lowest id. Of logits that have a fault the result is some id: callers look for it first.
[[nodiscard]] TokenId sample(std::span<const float> logits, const SamplingTerms& terms, std::uint32_t position,
                             float& surprise_bound, const kernels::KernelTable& kernels, SamplingRoom& room);

}  // namespace troupe
