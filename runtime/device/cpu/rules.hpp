#pragma once

#include <span>

#include "runtime/program/fusion.hpp"

namespace troupe {

/// What the CPU does better in fewer ops, in the order in which it is tried.
[[nodiscard]] std::span<const FusionRule> cpu_rules();

}  // namespace troupe
