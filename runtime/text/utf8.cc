#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr char32_t replacement = 0xFFFD;

/// How a first byte goes on: the length of the character and the range of its second byte.
struct Start {
  std::uint32_t length;  // 0: no character starts so
  unsigned char second_low, second_high;
};

Start start_of(unsigned char first) {
  if (first < 0x80) return {1, 0, 0};
  if (first < 0xC2) return {0, 0, 0};
  if (first < 0xE0) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};  // the rest would be surrogates
  if (first < 0xF0) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first < 0xF4) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

bool breaks_line(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
  }
}

}  // namespace

Utf8Char first_char(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const Start start = start_of(byte(0));
  if (start.length == 1) return {Utf8Char::Kind::valid, byte(0), 1};
  if (start.length == 0) return {Utf8Char::Kind::invalid, replacement, 1};
  char32_t code = byte(0) & (0x7FU >> start.length);
  for (std::uint32_t i = 1; i < start.length; ++i) {
    if (i == bytes.size()) return {Utf8Char::Kind::incomplete, replacement, i};
    const unsigned char low = i == 1 ? start.second_low : 0x80;
    const unsigned char high = i == 1 ? start.second_high : 0xBF;
    if (byte(i) < low || byte(i) > high) return {Utf8Char::Kind::invalid, replacement, i};
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  return {Utf8Char::Kind::valid, code, start.length};
}

std::string on_one_line(std::string_view message) {
  std::string out;
  for (std::size_t at = 0; at < message.size();) {
    const Utf8Char c = first_char(message.substr(at));
    const bool good = c.kind == Utf8Char::Kind::valid && !breaks_line(c.code);
    out += good ? message.substr(at, c.length) : "?";
    at += c.length;
  }
  return out;
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Char c = first_char(bytes);
    if (c.kind != Utf8Char::Kind::valid) return false;
    bytes.remove_prefix(c.length);
  }
  return true;
}

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    if (at >= longest) return out + "…\"";
    const Utf8Char c = first_char(text.substr(at));
    const std::string_view bytes = text.substr(at, c.length);
    if (c.kind != Utf8Char::Kind::valid || breaks_line(c.code)) {
      append_escaped(out, bytes);
    } else {
      if (c.code == '"' || c.code == '\\') out += '\\';
      out += bytes;
    }
    at += c.length;
  }
  return out + "\"";
}

}  // namespace troupe
