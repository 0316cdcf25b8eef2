#include "runtime/cli/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

struct Character {
  std::uint32_t code;  ///< no_code where the bytes are no UTF-8
  std::size_t length;  ///< in bytes
};
constexpr auto no_code = ~std::uint32_t{0};

std::size_t length_of(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/// The first character of a text that is not empty.
Character first_of(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = length_of(byte(0));
  if (length == 0 || length > text.size()) return {no_code, 1};
  std::uint32_t code = length == 1 ? byte(0) : byte(0) & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {no_code, 1};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < least[length] || surrogate || code > 0x10ffff ? Character{no_code, 1} : Character{code, length};
}

bool is_control(std::uint32_t code) { return code < 0x20 || (code >= 0x7f && code <= 0x9f); }

/// Line separators, and Unicode's Bidi_Control.
bool is_layout(std::uint32_t code) {
  return code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

std::string code_of(const char* form, std::uint32_t value) {
  char code[16];
  std::snprintf(code, sizeof code, form, value);
  return code;
}

/// A character as it may be shown, in the form that both JSON and a terminal take; `stray` is what a byte that is no
/// UTF-8 becomes, with its value.
std::string escaped(std::string_view bytes, std::uint32_t code, const char* stray) {
  if (code == no_code) return code_of(stray, static_cast<unsigned char>(bytes[0]));
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  return is_control(code) || is_layout(code) ? code_of("\\u%04x", code) : std::string(bytes);
}

template <class Show>
std::string each_shown(std::string_view text, Show show) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_of(text);
    out += show(text.substr(0, character.length), character.code);
    text.remove_prefix(character.length);
  }
  return out;
}

// Bytes that a terminal shows; continuation bytes of UTF-8 belong to the character before them.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  if (errno == EPIPE) throw ReaderGone();
  throw Error(Code::failed, std::string("cannot write to standard output: ") + std::strerror(errno));
}

void say(const std::string& text) { std::fputs(text.c_str(), stderr); }

void end_line_on_terminal() {
  if (isatty(STDOUT_FILENO)) print("\n");
}

void print_text(std::string_view text) {
  if (!isatty(STDOUT_FILENO)) return print(text);
  print(each_shown(text, [](std::string_view bytes, std::uint32_t code) {
    const bool harmless = code == '\n' || code == '\t' || is_layout(code);  // languages need the latter
    return harmless ? std::string(bytes) : escaped(bytes, code, "\\x%02x");
  }));
}

std::string printable(std::string_view text) {
  return each_shown(text, [](auto bytes, std::uint32_t code) { return escaped(bytes, code, "\\x%02x"); });
}

std::string shortened(std::string_view text, std::size_t most) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < most && end < text.size(); ++i) end += first_of(text.substr(end)).length;
  return std::string(text.substr(0, end)) + (end < text.size() ? "…" : "");
}

std::string json_string(std::string_view text) {
  return '"' +
         each_shown(text,
                    [](auto bytes, std::uint32_t code) {
                      return (code == '"' || code == '\\' ? "\\" : "") + escaped(bytes, code, "\\ufffd");
                    }) +
         '"';
}

std::string number(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string fixed(double value, int digits) {
  char text[400];  // of the largest double before the point, and some after it
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr};
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width(row[i]), ' ');
      text += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    text += '\n';
  }
  return text;
}

}  // namespace troupe::cli
