#pragma once

#include "runtime/c/troupe.h"
#include "troupe/model.hpp"

namespace troupe::c {

[[nodiscard]] troupe_stats stats_of(const Stats& from);

}  // namespace troupe::c
