#pragma once

#include <algorithm>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "plugins/formats/gguf.hpp"
#include "plugins/tokenizers/bpe.hpp"
#include "plugins/tokenizers/byte_alphabet.hpp"
#include "plugins/tokenizers/spm.hpp"
#include "runtime/text/vocabulary.hpp"
#include "tests/runtime/gguf_fixture.hpp"

namespace troupe::testing {

/// A tokenizer and the file that it looks into.
struct LoadedTokenizer {
  ModelFile file;
  std::unique_ptr<Tokenizer> tokenizer;
};

inline Result<LoadedTokenizer> load_tokenizer(const std::string& path) {
  auto file = open_gguf(path);
  if (!file) return file.error();
  const auto kind = file->string("tokenizer.ggml.model");
  if (!kind) return kind.error();
  const TokenizerFormat& format = *kind == plugins::spm.name   ? plugins::spm
                                  : *kind == plugins::bpe.name ? plugins::bpe
                                                               : plugins::gemma4_bpe;
  auto tokenizer = format.create(*file);
  if (!tokenizer) return tokenizer.error();
  return LoadedTokenizer{std::move(*file), std::move(*tokenizer)};
}

inline Result<LoadedTokenizer> load_tokenizer(const GgufWriter& writer) {
  const MemoryFile file(writer.file());
  return load_tokenizer(file.path());
}

/// What a small vocabulary is made of; written in the order of the fields.
struct TinyVocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> kinds;
  std::vector<std::string> merges;  // gpt2
  std::vector<float> scores;        // llama

  TokenId add(std::string text, TokenKind kind = TokenKind::normal, float score = 0) {
    tokens.push_back(std::move(text));
    kinds.push_back(static_cast<std::int32_t>(kind));
    scores.push_back(score);
    return static_cast<TokenId>(tokens.size() - 1);
  }

  [[nodiscard]] GgufWriter bpe(const std::string& pre = "smollm") const {
    GgufWriter writer;
    writer.string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", pre)
        .strings("tokenizer.ggml.tokens", tokens)
        .numbers("tokenizer.ggml.token_type", ElementType::i32, kinds)
        .strings("tokenizer.ggml.merges", merges);
    return writer;
  }

  [[nodiscard]] GgufWriter spm() const {
    GgufWriter writer;
    writer.string("tokenizer.ggml.model", "llama")
        .strings("tokenizer.ggml.tokens", tokens)
        .numbers("tokenizer.ggml.token_type", ElementType::i32, kinds)
        .numbers("tokenizer.ggml.scores", ElementType::f32, scores);
    return writer;
  }
};

/// Every byte, some words, two control tokens and a user-defined one. The bytes are the ids 0 to 255.
inline TinyVocabulary tiny_bpe() {
  TinyVocabulary v;
  const plugins::ByteAlphabet alphabet;
  for (unsigned byte = 0; byte < 256; ++byte) v.add(alphabet.letter(static_cast<std::uint8_t>(byte)));
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
           {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"Ġ", "hello"}, {"a", "a"}, {"aa", "aa"}, {"Ġ", "Ġ"}}) {
    v.add(left + right);
    v.merges.push_back(left + " " + right);
  }
  v.add("<|im_start|>", TokenKind::control);
  v.add("<|im_end|>", TokenKind::control);
  v.add("<|im_end|>>", TokenKind::user_defined);
  return v;
}

/// Every byte as <0x00> to <0xFF> (ids 0 to 255), some words, and special tokens.
inline TinyVocabulary tiny_spm() {
  TinyVocabulary v;
  constexpr char digits[] = "0123456789ABCDEF";
  for (unsigned byte = 0; byte < 256; ++byte) {
    v.add({'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'}, TokenKind::byte);
  }
  float score = 0;
  for (const char* word : {"he", "ll", "hell", "hello", "▁hello", "aa", "aaaa", "▁", "h", "e", "l", "o", "a"}) {
    v.add(word, TokenKind::normal, --score);
  }
  v.add("<s>", TokenKind::control);
  v.add("</s>", TokenKind::control);
  v.add("<unk>", TokenKind::unknown);
  v.add("\n\n", TokenKind::user_defined);
  return v;
}

inline std::string utf8_of(char32_t code) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | (code >> 6)), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | (code >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (code >> 18)), tail(12), tail(6), tail(0)};
}

/// A character of any plane, the common ones more often; valid UTF-8.
inline std::string random_character(std::mt19937& random) {
  static const std::pair<char32_t, char32_t> ranges[] = {
      {0x20, 0x7F},     {0x20, 0x7F},     {0x00, 0x20},       {0x80, 0x100},      {0x300, 0x370},
      {0x370, 0x800},   {0x900, 0xE00},   {0x2000, 0x2070},   {0x3000, 0x3100},   {0x4E00, 0x9FFF},
      {0xAC00, 0xD7A4}, {0xE000, 0xFFFF}, {0x1D7C0, 0x1D800}, {0x1F300, 0x1F700}, {0x10000, 0x40000}};
  const auto [first, end] = ranges[random() % std::size(ranges)];
  return utf8_of(static_cast<char32_t>(first + random() % (end - first)));
}

inline std::string random_text(std::mt19937& random, std::size_t characters) {
  std::string text;
  while (characters > 0) {
    const std::string c = random_character(random);
    for (std::size_t repeat = random() % 8 == 0 ? 1 + random() % 40 : 1; repeat > 0 && characters > 0; --repeat) {
      text += c;
      --characters;
    }
  }
  return text;
}

inline std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// The fastest of some, in milliseconds of the processor.
inline double encode_time(const Tokenizer& tokenizer, std::string_view text, int rounds = 3) {
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const std::clock_t start = std::clock();
    (void)tokenizer.encode(text);
    best = std::min(best, 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

inline std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  text.resize(bytes);
  return text;
}

}  // namespace troupe::testing
