#include "runtime/cli/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

// The form that both JSON and a terminal take; only \u differs from C's.
std::string escaped(std::string_view text, std::string_view also) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", unsigned{byte});
      out += code;
    } else {
      if (also.find(c) != also.npos) out += '\\';
      out += c;
    }
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

void end_line_on_terminal() {
  if (isatty(STDOUT_FILENO)) print("\n");
}

std::string printable(std::string_view text) { return escaped(text, ""); }

std::string json_string(std::string_view text) { return '"' + escaped(text, "\"\\") + '"'; }

std::string number(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
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
