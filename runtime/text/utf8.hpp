#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// What some bytes begin with, read as UTF-8 (The Unicode Standard, table 3-7).
struct Utf8Char {
  enum class Kind : std::uint8_t {
    valid,
    invalid,     ///< no bytes that follow could make it a character
    incomplete,  ///< the start of a character; the rest is missing
  };
  Kind kind;
  char32_t code;         ///< U+FFFD unless valid
  std::uint32_t length;  ///< in bytes; where not valid, of the longest start of a character, at least 1
};

/// Precondition: there is at least one byte.
[[nodiscard]] Utf8Char first_char(std::string_view bytes);

/// Whether the bytes are whole characters, to their end.
[[nodiscard]] bool is_utf8(std::string_view bytes);

/// A name or text from a file or a user for an error message: on one line, in quotation marks, cut where it is long.
[[nodiscard]] std::string quoted(std::string_view text);

/// A whole message whose parts may come from anywhere: without the characters that would break its line.
[[nodiscard]] std::string on_one_line(std::string_view message);

}  // namespace troupe
