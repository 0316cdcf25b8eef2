#include "plugins/tokenizers/char_class.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "plugins/tokenizers/unicode_table.hpp"

namespace troupe::plugins {
namespace {

constexpr CharClass look_up(char32_t code) {
  const auto after = std::upper_bound(std::begin(unicode_ranges), std::end(unicode_ranges), (code << 2) | 3U);
  return static_cast<CharClass>(*std::prev(after) & 3U);
}

constexpr std::array<CharClass, 128> ascii = [] {
  std::array<CharClass, 128> classes{};
  for (char32_t code = 0; code < classes.size(); ++code) classes[code] = look_up(code);
  return classes;
}();

}  // namespace

CharClass char_class(char32_t code) { return code < ascii.size() ? ascii[code] : look_up(code); }

}  // namespace troupe::plugins
