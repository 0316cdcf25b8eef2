#pragma once

#include <span>

#include "runtime/text/sampling_room.hpp"
#include "runtime/text/sampling_terms.hpp"

namespace troupe {

// Both change a row of logits by the tokens that a text has had: see Sampling. Tokens that have no logit do not count.

/// The penalties on the tokens of a window.
void penalise(std::span<const TokenId> window, const Sampling& sampling, SamplingRoom& room, std::span<float> logits);

/// DRY, over a window of which so many tokens, the last ones, are behind a breaker. Linear in the window.
void penalise_repeats(std::span<const TokenId> window, std::size_t behind_breaker, const SamplingTerms& terms,
                      SamplingRoom& room, std::span<float> logits);

}  // namespace troupe
