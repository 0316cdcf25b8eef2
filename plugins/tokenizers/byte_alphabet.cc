#include "plugins/tokenizers/byte_alphabet.hpp"

#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

bool visible(unsigned byte) { return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD); }

}  // namespace

ByteAlphabet::ByteAlphabet() {
  bytes_.fill(-1);
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const unsigned letter = visible(byte) ? byte : next++;
    letters_[byte] = static_cast<char16_t>(letter);
    bytes_[letter] = static_cast<std::int16_t>(byte);
  }
}

std::string ByteAlphabet::letter(std::uint8_t byte) const {
  const char one = static_cast<char>(byte);
  return letters({&one, 1});
}

std::string ByteAlphabet::letters(std::string_view bytes) const {
  std::string out;
  for (const char byte : bytes) {
    const unsigned code = letters_[static_cast<unsigned char>(byte)];
    if (code >= 0x80) out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(code < 0x80 ? code : 0x80 | (code & 0x3F));
  }
  return out;
}

std::string ByteAlphabet::bytes(std::string_view letters) const {
  std::string out;
  while (!letters.empty()) {
    const Utf8Char c = first_char(letters);
    const std::int16_t byte = c.code < end_of_letters ? bytes_[c.code] : std::int16_t{-1};
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else {
      out += letters.substr(0, c.length);
    }
    letters.remove_prefix(c.length);
  }
  return out;
}

}  // namespace troupe::plugins
