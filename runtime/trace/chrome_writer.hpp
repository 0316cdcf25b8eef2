#pragma once

#include <string>

#include "runtime/trace/recording.hpp"
#include "troupe/error.hpp"

namespace troupe::trace {

/// Writes a recording in Chrome's Trace Event Format ("JSON object format", with complete events and flows): an actor
/// is a process, a thread of its team a thread. One event a line, so that chrome_reader needs no more than one at once.
/// Microseconds, with three digits behind the point, from the first event on. Fails with `failed` where the file cannot
/// be written.
[[nodiscard]] Result<void> write(const Recording& recording, const std::string& path);

/// The first characters of such a file.
inline constexpr const char* file_start = R"({"displayTimeUnit":"ns","otherData":{"writer":"troupe","format":1)";

/// Its last line.
inline constexpr const char* file_end = "]}";

}  // namespace troupe::trace
