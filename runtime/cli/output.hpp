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

/// Writes to standard error what there is to say beside the output.
void say(const std::string& text);

/// The same with text that a model wrote. A terminal gets it with the control characters escaped that could steer it,
/// all but line ends and tabs; anything else gets every byte.
void print_text(std::string_view text);

/// Ends the line on a terminal, so that a prompt does not follow the text; nothing elsewhere, where every byte counts.
void end_line_on_terminal();

/// Text from a file, on one line, so that it can neither steer a terminal nor look like another text: control
/// characters (C0, C1), line separators, what changes the direction of writing, and bytes that are no UTF-8 are
/// escaped.
std::string printable(std::string_view text);

/// Its first `most` characters, and "…" where there are more.
std::string shortened(std::string_view text, std::size_t most);

/// Quoted and escaped (RFC 8259), printable; U+FFFD in place of bytes that are no UTF-8.
std::string json_string(std::string_view text);

/// The shortest digits that read back as the same number.
std::string number(double value);

/// With so many digits after the point, whatever the locale.
std::string fixed(double value, int digits);

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
