#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace troupe::plugins {

/// How byte-pair encodings cut a text into words: the patterns, in PCRE2's syntax, one after the other. The first cuts
/// the text, each other one the pieces that the last has made, each by itself. A match is a piece, and so is what
/// stands between two of them. They are those of the models' own tokenizers, written so that no text makes them look
/// at a character more than a few times.
using Patterns = std::span<const std::string_view>;

/// What the names under "tokenizer.ggml.pre" stand for.
struct PreTokenizer {
  enum class Units : std::uint8_t {
    bytes,       ///< words are merged byte by byte; tokens are written in ByteAlphabet
    characters,  ///< character by character, in UTF-8; a character that is no token becomes bytes, "<0x0A>"
  };
  enum class Whole : std::uint8_t { none, newlines, all };
  enum class Bos : std::uint8_t {
    told,    ///< where the file says so
    usual,   ///< unless the file says not
    always,  ///< whatever the file says: some that were written early are wrong
  };

  std::string_view name;
  Patterns patterns;
  Whole whole = Whole::none;  ///< the words that are taken as they are, before any merge, where they are tokens
  Bos bos = Bos::told;        ///< whether a prompt begins with it
  Units units = Units::bytes;
  bool marks_spaces = false;  ///< as SentencePiece: U+2581 for a space
};

/// All that are known, by name.
[[nodiscard]] std::span<const PreTokenizer> pre_tokenizers();

/// GPT-2's pattern, for which there is a scanner (WordScanner), and the list that cuts digits one by one before it.
[[nodiscard]] std::string_view gpt2_pattern();
[[nodiscard]] Patterns single_digit_patterns();

}  // namespace troupe::plugins
