#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "plugins/tokenizers/char_class.hpp"
#include "plugins/tokenizers/word_splitter.hpp"
#include "runtime/text/utf8.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::plugins {
namespace {

using troupe::testing::encode_time;
using troupe::testing::GgufWriter;
using troupe::testing::load_tokenizer;
using troupe::testing::repeated;
using troupe::testing::TinyVocabulary;
using Ids = std::vector<TokenId>;
using Words = std::vector<std::string>;

const PreTokenizer& named(std::string_view name) {
  const auto at = std::ranges::find(pre_tokenizers(), name, &PreTokenizer::name);
  REQUIRE(at != pre_tokenizers().end());
  return *at;
}

Words words(const WordSplitter& splitter, std::string_view text) {
  Words found;
  for (const std::uint32_t length : splitter.split(text)) {
    found.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  CHECK(text.empty());
  return found;
}

Words words(std::string_view name, std::string_view text) {
  return words(WordSplitter::make(named(name).patterns).value(), text);
}

/// A character whose class is the same to us and to PCRE2, which may know an older Unicode.
std::string known_character(std::mt19937& random) {
  static const Pattern unknown = Pattern::compile(R"(\p{Cn})").value();
  Pattern::Search search;
  while (true) {
    std::string c = troupe::testing::random_character(random);
    if (!search.next(unknown, c, 0, false)) return c;
  }
}

/// What the patterns tell apart, bytes that are no UTF-8 among it.
std::string hard_text(std::mt19937& random) {
  static const char* const parts[] = {
      "a", "Z", " ",   "  ",     "\n",     "\r\n",   "\t",     "7",      "123",    "'s",   "'ll",      "'RE",
      "'", "!", "...", "\u00A0", "\u180E", "\u0085", "\u00BD", "\u0301", "\u4E2D", "\xFF", "\xE4\xB8", "\xF0\x9F\x98"};
  std::string text;
  for (unsigned i = random() % 40; i > 0; --i) {
    text += random() % 4 == 0 ? known_character(random) : parts[random() % std::size(parts)];
  }
  return text;
}

}  // namespace

TEST_CASE("pre-tokenizers: every name stands once, and its patterns compile") {
  std::set<std::string_view> names;
  for (const PreTokenizer& pre : pre_tokenizers()) {
    INFO(pre.name);
    CHECK(names.insert(pre.name).second);
    CHECK(WordSplitter::make(pre.patterns, false).ok());
  }
  CHECK(names.size() == 91);
}

TEST_CASE("pre-tokenizers: our scanners cut as PCRE2 does with their patterns") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (const char* name : {"gpt-2", "smollm", "falcon", "default", "chameleon"}) {
    const WordSplitter ours = WordSplitter::make(named(name).patterns).value();
    const WordSplitter theirs = WordSplitter::make(named(name).patterns, false).value();
    for (int round = 0; round < 1000; ++round) {
      const std::string text = hard_text(random);
      INFO(name << ": " << text);
      REQUIRE(words(ours, text) == words(theirs, text));
    }
  }
}

TEST_CASE("pre-tokenizers: every character is of the class that PCRE2 has it in, where it knows it") {
  const std::string_view classes[] = {R"([^\p{L}\p{N}\s])", R"(\p{L})", R"(\p{N})", R"(\s)"};
  std::vector<Pattern> patterns;
  for (const std::string_view source : classes) patterns.push_back(Pattern::compile(source).value());
  const Pattern unknown = Pattern::compile(R"(\p{Cn})").value();
  Pattern::Search search;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    const std::string c = troupe::testing::utf8_of(code);
    if (search.next(unknown, c, 0, false) || code == 0x180E) continue;  // the separator: see word_splitter.cc
    INFO(std::uint32_t{code});
    REQUIRE(search.next(patterns[static_cast<std::size_t>(char_class(code))], c, 0, false));
  }
}

TEST_CASE("pre-tokenizers: any bytes are cut into words that are not empty, by every list") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (const PreTokenizer& pre : pre_tokenizers()) {
    INFO(pre.name);
    const WordSplitter splitter = WordSplitter::make(pre.patterns).value();
    CHECK(splitter.split("").empty());
    for (int round = 0; round < 30; ++round) {
      const std::string text =
          random() % 2 == 0 ? hard_text(random) : troupe::testing::random_bytes(random, random() % 100);
      for (const std::string& word : words(splitter, text)) REQUIRE_FALSE(word.empty());
    }
  }
}

TEST_CASE("pre-tokenizers: the well-known ones cut as their models do") {
  CHECK(words("llama-bpe", "I'M 12345  ok!!\n\n x") == Words{"I", "'M", " ", "123", "45", " ", " ok", "!!\n\n", " x"});
  CHECK(words("qwen2", "I'm 123 (x)\n \n") == Words{"I", "'m", " ", "1", "2", "3", " (", "x", ")\n", " \n"});
  CHECK(words("gpt-4o", "HelloWorld's CATS a/\n") == Words{"Hello", "World's", " CATS", " a", "/\n"});
  CHECK(words("tekken", "HelloWORLD's 12") == Words{"Hello", "WORLD", "'s", " ", "1", "2"});
  CHECK(words("deepseek-v3", "abc中文1234.x") == Words{"abc", "中文", "123", "4", ".x"});
  CHECK(words("deepseek-llm", "a b!\n\n 12  ") == Words{"a", " b", "!", "\n", "\n", " ", "12", "  "});
  CHECK(words("falcon", "it's 12345...") == Words{"it", "'", "s", " ", "123", "45", "..."});
  CHECK(words("superbpe", "x1234567y123") == Words{"x", "1", "234", "567", "y", "123"});
  CHECK(words("tiny_aya", "1234567 1234x") == Words{"1", "234", "567", " ", "123", "4", "x"});
  CHECK(words("kimi-k2", "中文abc漢") == Words{"中文", "abc", "漢"});
  CHECK(words("gemma4", "a b\n\nc") == Words{"a b", "\n\n", "c"});
  CHECK(words("exaone-moe", "a b 1 c") == Words{"a b", " ", "1", " c"});
  CHECK(words("jais-2", std::string(600, ' ') + "x") == Words{std::string(512, ' '), std::string(64, ' '),
                                                              std::string(16, ' '), std::string(4, ' '),
                                                              std::string(2, ' '), " ", " x"});
}

TEST_CASE("pre-tokenizers: the time grows no faster than the text, whatever is repeated", "[golden]") {
  std::set<const std::string_view*> seen;
  std::string times;
  for (const PreTokenizer& pre : pre_tokenizers()) {
    if (!seen.insert(pre.patterns.data()).second) continue;
    const auto loaded = load_tokenizer(troupe::testing::tiny_bpe().bpe(std::string(pre.name))).value();
    std::pair<double, std::string> slowest;
    for (const char* unit : {"x", "1", " ", "\n", "!", "\u0301", "\xFF", " 1", "  \n"}) {
      INFO(pre.name << ": " << unit);
      const double part = encode_time(*loaded.tokenizer, repeated(unit, 1U << 16) + "7z");
      const double most = 64 * part + 50;  // 16 times the text; its square would be 256 times
      double whole = most;
      for (int tries = 0; tries < 4 && whole >= most; ++tries) {  // another program may have had the core
        whole = encode_time(*loaded.tokenizer, repeated(unit, 1U << 20) + "7z", 1);
      }
      CHECK(whole < most);
      slowest = std::max(slowest, {whole, unit});
    }
    times += "\n  " + std::string(pre.name) + ": " + std::to_string(slowest.first) + " of " + quoted(slowest.second);
  }
  WARN("milliseconds per MiB at most:" << times);
}

TEST_CASE("bpe: a file without a pre-tokenizer is read as default, with a warning") {
  GgufWriter writer;
  writer.string("tokenizer.ggml.model", "gpt2").strings("tokenizer.ggml.tokens", {"a", "1", "2", "3", "4"});
  writer.strings("tokenizer.ggml.merges", {});
  const auto loaded = load_tokenizer(writer).value();
  CHECK(loaded.tokenizer->encode("a1234") == Ids{0, 1, 2, 3, 4});
  REQUIRE(loaded.tokenizer->warnings().size() == 1);
  CHECK(loaded.tokenizer->warnings()[0].find("\"tokenizer.ggml.pre\" is missing") != std::string::npos);
  writer.string("tokenizer.ggml.pre", "default");
  CHECK(load_tokenizer(writer).value().tokenizer->warnings().empty());
}

TEST_CASE("bpe: where the model says so, a word that is a token is taken before any merge") {
  TinyVocabulary v;
  for (const char* text : {"a", "b", "c", "bc", "abc", "Ġ", "Ġabc"}) v.add(text);
  v.merges = {"b c"};
  const auto of = [&](const std::string& pre) { return load_tokenizer(v.bpe(pre)).value(); };
  CHECK(of("smaug-bpe").tokenizer->encode("abc abc") == Ids{0, 3, 5, 0, 3});
  CHECK(of("llama-bpe").tokenizer->encode("abc abc") == Ids{4, 6});
  CHECK(of("llama-bpe").tokenizer->encode("abcb") == Ids{0, 3, 1});
}

TEST_CASE("bpe: what adds BOS where the file does not say") {
  TinyVocabulary v;
  for (const char* text : {"a", "<s>"}) v.add(text);
  const auto prompt = [&](const std::string& pre) {
    GgufWriter writer = v.bpe(pre);
    writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, 1U);
    return load_tokenizer(writer).value().tokenizer->encode_prompt("a");
  };
  CHECK(prompt("llama-bpe") == Ids{1, 0});
  CHECK(prompt("tekken") == Ids{1, 0});
  CHECK(prompt("qwen2") == Ids{0});
  CHECK(load_tokenizer(v.bpe("llama-bpe")).value().tokenizer->encode_prompt("a") == Ids{0});
}

TEST_CASE("bpe: Gemma 4's is of characters, with marks for spaces") {
  TinyVocabulary v;
  for (const char* text : {"a", "▁", "▁a", "é", "aé", "\n", "\n\n", "<0xE4>", "<0xB8>", "<0xAD>"}) v.add(text);
  v.merges = {"▁ a", "a é"};
  GgufWriter writer = v.bpe("gemma4");
  const auto loaded = load_tokenizer(writer).value();
  const Tokenizer& tokenizer = *loaded.tokenizer;
  CHECK(tokenizer.encode("a a aé中") == Ids{0, 2, 2, 3, 7, 8, 9});
  CHECK(tokenizer.encode("\n\na\n\n\n") == Ids{6, 0, 5, 5, 5});
  CHECK(decode(tokenizer, Ids{0, 2, 2, 3, 7, 8, 9, 6}, true) == "a a aé中\n\n");

  const TokenId bos = v.add("<bos>", TokenKind::control);
  GgufWriter early = v.bpe("gemma4");  // as some files are
  early.number("tokenizer.ggml.bos_token_id", ElementType::u32, bos).boolean("tokenizer.ggml.add_bos_token", false);
  const auto wrong = load_tokenizer(early).value();
  CHECK(wrong.tokenizer->encode_prompt("a") == Ids{bos, 0});
  CHECK(wrong.tokenizer->warnings().size() == 1);
}

TEST_CASE("bpe: no merge and no whole word makes a control token") {
  TinyVocabulary v;
  for (const char* text : {"a", "b"}) v.add(text);
  v.add("ab", TokenKind::control);
  v.merges = {"a b"};
  for (const char* pre : {"gpt-2", "llama-bpe"}) {
    const auto loaded = load_tokenizer(v.bpe(pre)).value();
    CHECK(loaded.tokenizer->encode("ab", false) == Ids{0, 1});
    CHECK(loaded.tokenizer->encode("ab", true) == Ids{2});
  }
}

}  // namespace troupe::plugins
