#pragma once

#include <charconv>
#include <string>

namespace troupe::trace {

/// With so many digits behind the point, whatever the locale.
[[nodiscard]] inline std::string fixed(double value, int digits) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr};
}

/// Of a share from 0 to 1: "38 %".
[[nodiscard]] inline std::string percent(double share, int digits = 0) { return fixed(share * 100, digits) + " %"; }

/// Of seconds: "1.25 ms".
[[nodiscard]] inline std::string milliseconds(double seconds) { return fixed(seconds * 1e3, 2) + " ms"; }

}  // namespace troupe::trace
