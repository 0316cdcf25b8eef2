#pragma once

#include "runtime/text/candidates.hpp"
#include "troupe/sampling.hpp"

namespace troupe {

// Mirostat 2, by its bound on surprise in bits: see Sampling.

/// Only what surprises by so many bits at most, and what is likeliest.
void keep_below_surprise(const Candidates& candidates, float bits);

/// The bound behind a token that was drawn of these.
[[nodiscard]] float next_surprise_bound(const Candidates& candidates, TokenId token, const Sampling& sampling,
                                        float bound);

}  // namespace troupe
