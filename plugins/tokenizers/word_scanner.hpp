#pragma once

#include <string_view>

#include "plugins/tokenizers/char_class.hpp"

namespace troupe::plugins {

/// Cuts a text into words as GPT-2 does (Radford et al. 2019), with the pattern
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// Bytes that are no UTF-8 count as characters of no class. Linear; every byte is in one word.
class WordScanner {
 public:
  /// With `single_digits` every \p{N} is a word, and the pattern sees what stands between two of them as a text of its
  /// own.
  WordScanner(std::string_view text, bool single_digits) : rest_(text), single_digits_(single_digits) {}

  /// The next word; empty at the end.
  [[nodiscard]] std::string_view next();

 private:
  /// A character at a byte of the rest.
  struct Char {
    std::size_t length;  // 0: the text ends here, or the stretch between two digits
    CharClass kind;
  };
  [[nodiscard]] Char at(std::size_t byte) const;
  [[nodiscard]] Char inner(std::size_t byte) const;
  [[nodiscard]] std::size_t contraction() const;
  [[nodiscard]] std::size_t run() const;
  [[nodiscard]] std::size_t spaces() const;

  std::string_view rest_;
  bool single_digits_;
};

}  // namespace troupe::plugins
