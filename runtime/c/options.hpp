#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/c/troupe.h"
#include "troupe/runtime.hpp"

namespace troupe::c {

/// A host's time; what a clock cannot count is the longest that it can.
[[nodiscard]] std::chrono::milliseconds milliseconds(std::int64_t count);

/// Texts that end with a zero byte. Throws Error where one is missing.
[[nodiscard]] std::vector<std::string> texts(const char* const* from, std::size_t count, const char* name);

/// What a host's options say; NULL is the defaults. They hold what they say themselves, but for the host's callbacks
/// and what these are handed. Throw Error.
[[nodiscard]] LoadOptions load_options(const troupe_load_options* given);
[[nodiscard]] GenerateOptions generate_options(const troupe_generate_options* given);
[[nodiscard]] LogitsOptions logits_options(const troupe_logits_options* given);

}  // namespace troupe::c
