#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/c/troupe.h"
#include "troupe/runtime.hpp"

namespace troupe::c {

/// Texts that end with a zero byte. Throws Error where one is missing.
[[nodiscard]] std::vector<std::string> texts(const char* const* from, std::size_t count, const char* name);

/// What a host's options say; NULL is the defaults. They hold what they say themselves, but for the host's callbacks
/// and what these are handed. Throw Error.
[[nodiscard]] LoadOptions load_options(const troupe_load_options* given);

}  // namespace troupe::c
