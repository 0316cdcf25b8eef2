#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::testing {

/// Calls the C API as the bytes say: any call, on any handle or none, good and bad, with structs of any version; then
/// gives all handles back. Ends the process where an answer breaks what the header promises. Returns how many calls it
/// has made.
std::size_t call_at_random(std::span<const std::uint8_t> bytes);

}  // namespace troupe::testing
