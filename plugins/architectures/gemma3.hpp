#pragma once

#include "runtime/program/builder.hpp"

namespace troupe::plugins {

/// Gemma 3: norms before and after each half layer, per-head norms of q and k, GeGLU, five layers with a sliding window
/// and their own rotary base to every one that sees all (Gemma 3 technical report, 2025).
extern const Architecture gemma3;

}  // namespace troupe::plugins
