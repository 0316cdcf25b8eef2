#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "runtime/text/utf8.hpp"
#include "troupe/error.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace troupe::testing {

/// What must hold of every input; ends the fuzzer, which then keeps the input.
inline void check(bool held) {
  if (!held) std::abort();
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = first_char(text);
    if (c.kind != Utf8Char::Kind::valid) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

/// An error's message is one line that a terminal can show.
inline void check_error(const Error& error) {
  const std::string& message = error.message();
  check(!message.empty() && is_utf8(message));
  check(std::all_of(message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) >= 32; }));
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Changes an input, and now and then a whole one in its place, from which the fuzzer gets deeper than by chance.
inline std::size_t mutate(std::span<const std::string> whole, std::uint8_t* data, std::size_t size, std::size_t most,
                          unsigned seed) {
  constexpr unsigned rarity = 64;
  const std::string& one = whole[seed / rarity % whole.size()];
  if ((seed % rarity == 0 || size <= 1) && one.size() <= most) {
    one.copy(reinterpret_cast<char*>(data), one.size());
    size = one.size();
  }
  return LLVMFuzzerMutate(data, size, most);
}

}  // namespace troupe::testing
