#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// A plain metadata value as text, whatever the locale.

[[nodiscard]] inline std::string text_of(std::uint64_t number) { return std::to_string(number); }
[[nodiscard]] inline std::string text_of(std::int64_t number) { return std::to_string(number); }
[[nodiscard]] inline std::string text_of(bool truth) { return truth ? "true" : "false"; }
[[nodiscard]] inline std::string text_of(std::string_view text) { return std::string(text); }

/// The fewest digits that are read back as the same number; what is a float, as most are in the file, as a float: 1.19
/// and not 1.190000057220459.
[[nodiscard]] inline std::string text_of(double number) {
  char digits[32];
  const auto narrow = static_cast<float>(number);
  const auto written = static_cast<double>(narrow) == number ? std::to_chars(digits, digits + sizeof digits, narrow)
                                                             : std::to_chars(digits, digits + sizeof digits, number);
  return {digits, written.ptr};
}

}  // namespace troupe
