#pragma once

#include <cstddef>
#include <string>

#include "runtime/trace/recording.hpp"
#include "troupe/error.hpp"

namespace troupe::trace {

/// What is read of a file, at most.
inline constexpr std::size_t most_events = std::size_t{1} << 23;

/// Reads what `write` has written, a line at a time, with times from the first event on. Fails with not_found, or with
/// bad_file and a line that says what is wrong: of another program, cut, broken, or more than most_events.
[[nodiscard]] Result<Recording> read(const std::string& path);

}  // namespace troupe::trace
