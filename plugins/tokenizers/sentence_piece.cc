#include "plugins/tokenizers/sentence_piece.hpp"

namespace troupe::plugins {
namespace {

constexpr std::string_view digits = "0123456789ABCDEF";

}  // namespace

std::string name_of_byte(std::uint8_t byte) { return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'}; }

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (true) {
    const std::size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

int byte_of_name(std::string_view name) {
  if (name.size() != 6 || name.substr(0, 3) != "<0x" || name[5] != '>') return -1;
  const std::size_t high = digits.find(name[3]), low = digits.find(name[4]);
  return high < 16 && low < 16 ? static_cast<int>(high * 16 + low) : -1;
}

}  // namespace troupe::plugins
