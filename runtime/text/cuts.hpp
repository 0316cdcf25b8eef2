#pragma once

#include <cstdint>

#include "runtime/text/candidates.hpp"

namespace troupe {

// Samplers that leave some candidates no chance, one at least that has some: what they keep is said in
// troupe/sampling.hpp. Ties stay in from the lowest id on, but where a bound decides, which takes all of them or none.

void keep_top_k(const Candidates& candidates, std::uint32_t count);
void keep_top_p(const Candidates& candidates, float share);
void keep_min_p(const Candidates& candidates, float share);
void keep_typical(const Candidates& candidates, float share);
void keep_top_n_sigma(const Candidates& candidates, float deviations);

/// The likeliest alone.
void keep_likeliest(const Candidates& candidates);

/// XTC, where it has been drawn to happen.
void exclude_top_choices(const Candidates& candidates, float threshold);

}  // namespace troupe
