#pragma once

#include "runtime/c/troupe.h"
#include "troupe/sampling.hpp"

namespace troupe::c {

/// Sampling's fields among the options of a request, to the host's struct, for defaults, and from it. The latter throws
/// Error.
void set_sampling(const Sampling& sampling, troupe_generate_options& made);
[[nodiscard]] Sampling sampling_of(const troupe_generate_options& from);

}  // namespace troupe::c
