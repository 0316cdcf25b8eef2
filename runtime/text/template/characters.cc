#include "runtime/text/template/characters.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80; }

bool within(char32_t code, char32_t first, char32_t last) { return code >= first && code <= last; }

}  // namespace

std::size_t count_characters(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues));
}

std::size_t byte_of(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += length_of_first(text.substr(at));
  return at;
}

std::size_t length_of_first(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && continues(text[length])) ++length;
  return length;
}

std::size_t length_of_last(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && continues(text[text.size() - length])) ++length;
  return length;
}

void append_character(std::string& out, char32_t code) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (within(code, 0xD800, 0xDFFF) || code > 0x10FFFF) code = 0xFFFD;
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xC0 | (code >> 6)), put(0x80 | (code & 63));
  if (code < 0x10000) return put(0xE0 | (code >> 12)), put(0x80 | ((code >> 6) & 63)), put(0x80 | (code & 63));
  put(0xF0 | (code >> 18));
  put(0x80 | ((code >> 12) & 63));
  put(0x80 | ((code >> 6) & 63));
  put(0x80 | (code & 63));
}

double real_number(std::string_view text) {
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc::result_out_of_range) return value;
  const bool tiny = text.find("e-") != text.npos || text.find("E-") != text.npos;
  value = tiny ? 0 : std::numeric_limits<double>::infinity();
  return text.front() == '-' ? -value : value;
}

bool is_space(char32_t code) {
  return within(code, 9, 13) || within(code, 0x1C, 0x20) || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         within(code, 0x2000, 0x200A) || within(code, 0x2028, 0x2029) || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

std::size_t space_before(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = first_char(text.substr(at));
    if (!is_space(c.code)) break;
    at += c.length;
  }
  return at;
}

std::size_t space_behind(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    const std::size_t length = length_of_last(text.substr(0, end));
    if (!is_space(first_char(text.substr(end - length, length)).code)) break;
    end -= length;
  }
  return text.size() - end;
}

bool is_printable(char32_t code) {
  if (code == ' ') return true;
  return !is_space(code) && code >= 0x20 && !within(code, 0x7F, 0x9F) && code != 0xAD && !within(code, 0x600, 0x605) &&
         code != 0x61C && code != 0x6DD && code != 0x70F && code != 0x180E && !within(code, 0x200B, 0x200F) &&
         !within(code, 0x2028, 0x202E) && !within(code, 0x2060, 0x206F) && !within(code, 0xD800, 0xF8FF) &&
         code != 0xFEFF && !within(code, 0xFFF0, 0xFFFB) && !within(code, 0xFFFE, 0xFFFF) && code < 0xE0000;
}

char32_t to_lower(char32_t code) {
  const bool by_32 = within(code, 'A', 'Z') || (within(code, 0xC0, 0xDE) && code != 0xD7) ||
                     (within(code, 0x391, 0x3A9) && code != 0x3A2) || within(code, 0x410, 0x42F);
  if (by_32) return code + 32;
  return within(code, 0x400, 0x40F) ? code + 80 : code;
}

char32_t to_upper(char32_t code) {
  const bool by_32 = within(code, 'a', 'z') || (within(code, 0xE0, 0xFE) && code != 0xF7) ||
                     (within(code, 0x3B1, 0x3C9) && code != 0x3C2) || within(code, 0x430, 0x44F);
  if (by_32) return code - 32;
  return within(code, 0x450, 0x45F) ? code - 80 : code;
}

}  // namespace troupe::jinja
