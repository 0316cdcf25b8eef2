#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// Thrown where nobody reads standard output any more: no failure, but a reason to stop.
struct ReaderGone {};

/// Writes to standard output, at once. Throws ReaderGone, or Error where the bytes cannot be written.
void print(std::string_view text);

/// Ends the line on a terminal, so that a prompt does not follow the text; nothing elsewhere, where every byte counts.
void end_line_on_terminal();

/// Text from a file, with its control characters escaped, so that it cannot steer a terminal.
std::string printable(std::string_view text);

/// Quoted and escaped (RFC 8259).
std::string json_string(std::string_view text);

/// The shortest digits that read back as the same number.
std::string number(double value);

/// [1,2,3]
template <class Number>
std::string json_list(std::span<const Number> values) {
  std::string text = "[";
  for (const Number value : values) {
    if (text.size() > 1) text += ',';
    if constexpr (std::is_floating_point_v<Number>) {
      text += number(value);
    } else {
      text += std::to_string(value);
    }
  }
  return text + "]";
}

/// Rows in columns, two spaces apart: the first column to the left, the others to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

}  // namespace troupe::cli
