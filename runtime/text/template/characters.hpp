#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::jinja {

// All texts here are valid UTF-8.

[[nodiscard]] std::size_t count_characters(std::string_view text);

/// Where character `index` begins, in bytes; the text's end where there are fewer.
[[nodiscard]] std::size_t byte_of(std::string_view text, std::size_t index);

[[nodiscard]] std::size_t length_of_first(std::string_view text);  ///< in bytes; the text must not be empty
[[nodiscard]] std::size_t length_of_last(std::string_view text);   ///< in bytes; the text must not be empty

void append_character(std::string& out, char32_t code);  ///< a surrogate becomes U+FFFD

/// The number that digits, a point and an exponent write; infinite or 0 where it is out of range.
[[nodiscard]] double real_number(std::string_view text);

/// What Python's str.strip() and str.split() take for white space.
[[nodiscard]] bool is_space(char32_t code);
/// How many bytes of white space a text begins with, or ends with.
[[nodiscard]] std::size_t space_before(std::string_view text);
[[nodiscard]] std::size_t space_behind(std::string_view text);

/// What Python's repr() shows as it is: no control, format, private or other space characters. Unassigned characters
/// count as shown.
[[nodiscard]] bool is_printable(char32_t code);

/// The other case of letters of Latin-1, Greek and Cyrillic; every other character is as it is.
[[nodiscard]] char32_t to_lower(char32_t code);
[[nodiscard]] char32_t to_upper(char32_t code);

}  // namespace troupe::jinja
