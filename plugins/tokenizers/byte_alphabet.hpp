#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::plugins {

/// The letters that stand for bytes in the vocabularies of byte-level tokenizers: a byte that is a visible character of
/// Latin-1 stands for itself, the others in their order for U+0100 and on (GPT-2's bytes_to_unicode).
class ByteAlphabet {
 public:
  ByteAlphabet();

  /// The letter of a byte, in UTF-8.
  [[nodiscard]] std::string letter(std::uint8_t byte) const;

  /// Bytes as a token's text.
  [[nodiscard]] std::string letters(std::string_view bytes) const;

  /// A token's text as bytes; what is no letter of this alphabet stays as it is.
  [[nodiscard]] std::string bytes(std::string_view letters) const;

 private:
  static constexpr std::size_t end_of_letters = 0x144;

  std::array<char16_t, 256> letters_{};
  std::array<std::int16_t, end_of_letters> bytes_{};  // -1: no letter
};

}  // namespace troupe::plugins
