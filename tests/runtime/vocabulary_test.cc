#include "runtime/text/vocabulary.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "plugins/tokenizers/merge_table.hpp"
#include "plugins/tokenizers/word_scanner.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe {
namespace {

using testing::GgufWriter;
using testing::load_tokenizer;
using testing::TinyVocabulary;

using Ids = std::vector<TokenId>;

TokenId id_of(const TinyVocabulary& vocabulary, std::string_view text) {
  const auto at = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), text);
  REQUIRE(at != vocabulary.tokens.end());
  return static_cast<TokenId>(at - vocabulary.tokens.begin());
}

void check_error(const GgufWriter& writer, Code code, const std::string& part) {
  const auto loaded = load_tokenizer(writer);
  REQUIRE_FALSE(loaded.ok());
  INFO(loaded.error().message());
  CHECK(loaded.error().code() == code);
  CHECK(loaded.error().message().find(part) != std::string::npos);
  CHECK(loaded.error().message().find('\n') == std::string::npos);
}

TEST_CASE("bpe: merges in the order of the list, special tokens first") {
  const TinyVocabulary v = testing::tiny_bpe();
  const auto loaded = load_tokenizer(v.bpe()).value();
  const Tokenizer& tokenizer = *loaded.tokenizer;
  const TokenId hello = id_of(v, "hello"), start = id_of(v, "<|im_start|>"), end = id_of(v, "<|im_end|>");
  CHECK(tokenizer.encode("hello hello") == Ids{hello, id_of(v, "Ġhello")});
  CHECK(tokenizer.encode("aaaaaaa") == Ids{id_of(v, "aaaa"), id_of(v, "aa"), 'a'});
  CHECK(tokenizer.encode("<|im_start|>hello<|im_end|>") == Ids{start, hello, end});
  CHECK(tokenizer.encode("<|im_end|>>") == Ids{id_of(v, "<|im_end|>>")});
  CHECK(tokenizer.encode("<|im_start") == Ids{'<', '|', 'i', 'm', '_', 's', 't', 'a', 'r', 't'});
  CHECK(tokenizer.encode("\xFF\xC3") == Ids{0xFF, 0xC3});
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.piece(start, false).empty());
  CHECK(decode(tokenizer, Ids{start, hello, 0xFF}, true) == "<|im_start|>hello\xFF");
  CHECK(decode(tokenizer, Ids{start, hello, 0xFF}, false) == "hello\xFF");
  CHECK((tokenizer.ends_text(end) && !tokenizer.ends_text(start)));
  CHECK(tokenizer.encode_prompt("hello") == Ids{hello});
  CHECK(tokenizer.memory_bytes() > v.tokens.size() * sizeof(std::string_view));
}

TEST_CASE("spm: merges the best score, falls back to bytes, puts a space in front") {
  const TinyVocabulary v = testing::tiny_spm();
  GgufWriter writer = v.spm();
  const TokenId bos = id_of(v, "<s>"), space = id_of(v, "▁");
  writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, bos);
  const auto loaded = load_tokenizer(writer).value();
  const Tokenizer& tokenizer = *loaded.tokenizer;
  const TokenId hello = id_of(v, "▁hello"), line = id_of(v, "\n\n");
  CHECK(tokenizer.encode("hello hello") == Ids{hello, hello});
  CHECK(tokenizer.encode_prompt("hello") == Ids{bos, hello});
  CHECK(tokenizer.encode("hello<s>hello") == Ids{hello, bos, hello});
  CHECK(tokenizer.encode("<unk>\n\n\n") == Ids{id_of(v, "<unk>"), line, space, '\n'});
  CHECK(tokenizer.encode("é\xFF") == Ids{space, 0xC3, 0xA9, 0xFF});
  CHECK(tokenizer.encode("<0x0A>") == Ids{space, '<', '0', 'x', '0', 'A', '>'});
  CHECK(tokenizer.encode("").empty());
  CHECK(decode(tokenizer, Ids{bos, hello, 0xC3, 0xA9, line}, false) == "helloé\n\n");

  const auto plain = load_tokenizer(v.spm().boolean("tokenizer.ggml.add_space_prefix", false)).value();
  CHECK(plain.tokenizer->encode("hello hello") == Ids{id_of(v, "hello"), hello});
  CHECK(plain.tokenizer->encode_prompt("hello") == Ids{1, id_of(v, "hello")});
}

TEST_CASE("spm: without byte tokens, what is not in the vocabulary is unknown") {
  TinyVocabulary v;
  v.add("<unk>", TokenKind::unknown);
  v.add("a", TokenKind::normal, -1);
  GgufWriter writer = v.spm();
  writer.boolean("tokenizer.ggml.add_space_prefix", false);
  CHECK(load_tokenizer(writer).value().tokenizer->encode("aba") == Ids{1, 1});
  writer.number("tokenizer.ggml.unknown_token_id", ElementType::u32, 0U);
  CHECK(load_tokenizer(writer).value().tokenizer->encode("aba") == Ids{1, 0, 1});
}

TEST_CASE("words: GPT-2's pattern, digits together or one by one") {
  const auto words = [](std::string_view text, bool single_digits) {
    plugins::WordScanner scanner(text, single_digits);
    std::vector<std::string> found;
    for (auto word = scanner.next(); !word.empty(); word = scanner.next()) found.emplace_back(word);
    return found;
  };
  using Words = std::vector<std::string>;
  CHECK(words("don't I'll we've 'tis", false) == Words{"don", "'t", " I", "'ll", " we", "'ve", " '", "tis"});
  CHECK(words("DON'T''s", false) == Words{"DON", "'", "T", "''", "s"});
  CHECK(words("a  b \n c\n\nd  ", false) == Words{"a", " ", " b", " \n", " c", "\n", "\n", "d", "  "});
  CHECK(words("x 12 345", false) == Words{"x", " 12", " 345"});
  CHECK(words("x 12  3 ", true) == Words{"x", " ", "1", "2", "  ", "3", " "});
  CHECK(words("١٢½Ⅷ", false) == Words{"١٢½Ⅷ"});
  CHECK(words("١2½", true) == Words{"١", "2", "½"});
  CHECK(words("a\u00A0b\u3000\u3000c", false) == Words{"a", "\u00A0", "b", "\u3000", "\u3000", "c"});
  CHECK(words("e\u0301 日本 !?\u200D", false) == Words{"e", "\u0301", " 日本", " !?\u200D"});
  CHECK(words("a\xFF\xE4\xB8z", false) == Words{"a", "\xFF\xE4\xB8", "z"});
}

/// Merging by the book: the lowest rank, the leftmost first, one pair at a time.
template <class Rank>
std::vector<std::string> merge_by_the_book(std::vector<std::string> symbols, Rank rank) {
  while (true) {
    std::size_t best = symbols.size();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (rank(symbols[i], symbols[i + 1]) == INT32_MAX) continue;
      if (best == symbols.size() || rank(symbols[i], symbols[i + 1]) < rank(symbols[best], symbols[best + 1])) best = i;
    }
    if (best == symbols.size()) return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

std::vector<std::string> random_letters(std::mt19937& random, std::size_t count) {
  std::vector<std::string> letters(count);
  for (std::string& letter : letters) letter = static_cast<char>('a' + random() % 3);
  return letters;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

TEST_CASE("bpe: any list of merges gives what merging by the book gives") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    TinyVocabulary v;
    for (const char* letter : {"a", "b", "c"}) v.add(letter);
    std::map<std::pair<std::string, std::string>, std::int32_t> ranks;
    for (int i = 0; i < 30; ++i) {
      const std::string left = v.tokens[random() % v.tokens.size()], right = v.tokens[random() % v.tokens.size()];
      if (std::find(v.tokens.begin(), v.tokens.end(), left + right) == v.tokens.end()) v.add(left + right);
      v.merges.push_back(left + " " + right);
    }
    std::shuffle(v.merges.begin(), v.merges.end(), random);
    for (const std::string& merge : v.merges) {
      const std::size_t space = merge.find(' ');
      ranks.emplace(std::pair(merge.substr(0, space), merge.substr(space + 1)),
                    static_cast<std::int32_t>(ranks.size()));
    }
    const auto rank = [&](const std::string& left, const std::string& right) {
      const auto at = ranks.find({left, right});
      return at == ranks.end() ? INT32_MAX : at->second;
    };
    const auto letters = random_letters(random, random() % 400);
    Ids expected;
    for (const std::string& token : merge_by_the_book(letters, rank)) expected.push_back(id_of(v, token));
    CHECK(load_tokenizer(v.bpe()).value().tokenizer->encode(joined(letters)) == expected);
  }
}

TEST_CASE("spm: any scores, equal ones among them, give what merging by the book gives") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    TinyVocabulary v;
    for (const char* letter : {"a", "b", "c"}) v.add(letter);
    for (int i = 0; i < 30; ++i) {
      const std::string text = v.tokens[random() % v.tokens.size()] + v.tokens[random() % v.tokens.size()];
      const bool known = std::find(v.tokens.begin(), v.tokens.end(), text) != v.tokens.end();
      if (!known) v.add(text, TokenKind::normal, static_cast<float>(random() % 5) - 2.5F);
    }
    const auto rank = [&](const std::string& left, const std::string& right) {
      const auto at = std::find(v.tokens.begin(), v.tokens.end(), left + right);
      if (at == v.tokens.end()) return INT32_MAX;
      return static_cast<std::int32_t>(-2 * v.scores[static_cast<std::size_t>(at - v.tokens.begin())]);
    };
    const auto letters = random_letters(random, random() % 400);
    Ids expected;
    for (const std::string& token : merge_by_the_book(letters, rank)) expected.push_back(id_of(v, token));
    const auto loaded = load_tokenizer(v.spm().boolean("tokenizer.ggml.add_space_prefix", false)).value();
    CHECK(loaded.tokenizer->encode(joined(letters)) == expected);
  }
}

TEST_CASE("vocabulary: what is broken is named") {
  const TinyVocabulary good = testing::tiny_bpe();
  const auto without = [](std::string_view left_out) {
    GgufWriter writer;
    const auto wanted = [&](std::string_view key) { return key != left_out; };
    writer.string("tokenizer.ggml.model", "gpt2");
    if (wanted("pre")) writer.string("tokenizer.ggml.pre", "smollm");
    if (wanted("tokens")) writer.strings("tokenizer.ggml.tokens", {"a", "b", "ab"});
    if (wanted("merges")) writer.strings("tokenizer.ggml.merges", {"a b"});
    return writer;
  };
  CHECK(load_tokenizer(without("nothing")).value().tokenizer->encode("abc") == Ids{2});
  check_error(without("pre").boolean("tokenizer.ggml.pre", true), Code::bad_file, "is a boolean; expected a string");
  check_error(without("tokens"), Code::bad_file, "\"tokenizer.ggml.tokens\" is missing");
  check_error(without("merges"), Code::bad_file, "\"tokenizer.ggml.merges\" is missing");
  check_error(without("pre").string("tokenizer.ggml.pre", "qwen\n2"), Code::unsupported,
              "names the pre-tokenizer \"qwen\\x0a2\"; known here are default, gpt-2, ");
  check_error(without("tokens").strings("tokenizer.ggml.tokens", {}), Code::bad_file, "has 0 elements; expected 1 to");
  check_error(without("tokens").string("tokenizer.ggml.tokens", "a"), Code::bad_file, "is no array of strings");
  check_error(without("merges").boolean("tokenizer.ggml.merges", true), Code::bad_file, "is no array of strings");
  check_error(without("").numbers("tokenizer.ggml.token_type", ElementType::i32, std::vector{1, 1}), Code::bad_file,
              "\"tokenizer.ggml.token_type\" has 2 elements for 3 tokens");
  check_error(without("").strings("tokenizer.ggml.token_type", {"1", "1", "1"}), Code::bad_file,
              "is no array of integers");
  check_error(without("").string("tokenizer.ggml.eos_token_id", "3"), Code::bad_file,
              "\"tokenizer.ggml.eos_token_id\" is a string");
  check_error(without("").boolean("tokenizer.ggml.add_bos_token", true), Code::bad_file,
              "\"tokenizer.ggml.bos_token_id\" is missing");

  TinyVocabulary spm = testing::tiny_spm();
  spm.scores.pop_back();
  check_error(spm.spm(), Code::bad_file, "\"tokenizer.ggml.scores\" has 272 elements for 273 tokens");
}

/// What the multiplication of the tables' hash makes of an odd number's inverse: whatever is wanted.
constexpr std::uint64_t hashed_to(std::uint64_t wanted) {
  constexpr std::uint64_t factor = 0x9E3779B97F4A7C15ULL;
  std::uint64_t inverse = factor;  // Newton's method, which doubles the bits that are right
  for (int i = 0; i < 6; ++i) inverse *= 2 - factor * inverse;
  return (wanted ^ (wanted >> 32)) * inverse;
}

TEST_CASE("vocabulary: tokens and merges that are chosen to fall into one place are refused", "[bad-input]") {
  TinyVocabulary v;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint64_t word = hashed_to(hashed_to(hashed_to(i << 32))) ^ 8;  // of eight bytes
    std::string text(8, '\0');
    std::memcpy(text.data(), &word, 8);
    v.add(text);
  }
  check_error(v.bpe(), Code::bad_file, "chosen to be slow to find");
  v.tokens.resize(200);
  v.kinds.resize(200);
  CHECK(load_tokenizer(v.bpe()).ok());

  plugins::MergeTable merges(10000);
  std::size_t added = 0;
  while (added < 10000) {
    const std::uint64_t pair = hashed_to(std::uint64_t{added} << 32);
    if (!merges.add(static_cast<TokenId>(pair >> 32), static_cast<TokenId>(pair & UINT32_MAX), 7)) break;
    ++added;
  }
  CHECK(added == longest_search);
  const std::uint64_t last = hashed_to(std::uint64_t{added - 1} << 32), next = hashed_to(std::uint64_t{added} << 32);
  CHECK(merges.find(static_cast<TokenId>(last >> 32), static_cast<TokenId>(last & UINT32_MAX)).id == 7);
  CHECK(merges.find(static_cast<TokenId>(next >> 32), static_cast<TokenId>(next & UINT32_MAX)).id == -1);
}

TEST_CASE("vocabulary: marks that are none of the tokens are ignored, with a warning") {
  const auto with = [](const char* key, std::int64_t id) {
    GgufWriter writer = testing::tiny_bpe().bpe();
    writer.number(std::string("tokenizer.ggml.") + key + "_token_id", ElementType::i64, id);
    writer.boolean("tokenizer.ggml.add_bos_token", std::string_view(key) == "bos");
    return load_tokenizer(writer).value();
  };
  for (const char* key : {"bos", "eos", "eot", "eom", "unknown"}) {
    for (const std::int64_t id : {std::int64_t{267}, std::int64_t{-1}, std::int64_t{1} << 40}) {
      INFO(key << " " << id);
      const auto loaded = with(key, id);
      CHECK(loaded.tokenizer->encode_prompt("a") == Ids{'a'});
      REQUIRE(loaded.tokenizer->warnings().size() == 1);
      const std::string& line = loaded.tokenizer->warnings()[0];
      INFO(line);
      CHECK(line.find(std::string(key) + "_token_id\" is " + std::to_string(id) +
                      ", which is none of the 267 tokens") != std::string::npos);
    }
    CHECK(with(key, 264).tokenizer->warnings().empty());
  }
}

TEST_CASE("spm: without a usable mark BOS is the token 1") {
  const TinyVocabulary v = testing::tiny_spm();
  const TokenId hello = id_of(v, "▁hello");
  CHECK(load_tokenizer(v.spm()).value().tokenizer->encode_prompt("hello") == Ids{1, hello});
  CHECK(load_tokenizer(v.spm().number("tokenizer.ggml.bos_token_id", ElementType::u32, 1000U))
            .value()
            .tokenizer->encode_prompt("hello") == Ids{1, hello});
  CHECK(load_tokenizer(v.spm().boolean("tokenizer.ggml.add_bos_token", false))
            .value()
            .tokenizer->encode_prompt("hello") == Ids{hello});
}

TEST_CASE("spm: scores may be integers, and more than there are tokens; kinds too") {
  TinyVocabulary v = testing::tiny_spm();
  const auto of = [&](const auto& scores) {
    GgufWriter writer;
    writer.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", v.tokens);
    v.kinds.push_back(3);
    writer.numbers("tokenizer.ggml.token_type", ElementType::i32, v.kinds);
    writer.numbers("tokenizer.ggml.scores",
                   std::is_same_v<decltype(scores), const std::vector<float>&> ? ElementType::f32 : ElementType::i32,
                   scores);
    return load_tokenizer(writer).value().tokenizer->encode("hello aaaa");
  };
  const Ids expected = load_tokenizer(testing::tiny_spm().spm()).value().tokenizer->encode("hello aaaa");
  std::vector<std::int32_t> whole(v.scores.begin(), v.scores.end());
  CHECK(of(whole) == expected);
  whole.insert(whole.end(), 5, 1000);
  CHECK(of(whole) == expected);
  v.scores.insert(v.scores.end(), 5, 1000.0F);
  CHECK(of(v.scores) == expected);
}

TEST_CASE("vocabulary: what is odd is put up with") {
  TinyVocabulary v;
  for (const char* text : {"a", "b", "ab", "ab", "", "\xFF", "Ā"}) v.add(text);
  v.kinds.back() = 99;
  v.merges = {"", " ", "ab", "a  b", "a x", "x y", "b a", "a b", "a b", "a "};
  const auto loaded = load_tokenizer(v.bpe()).value();
  CHECK(loaded.tokenizer->encode("abab") == Ids{2, 2});
  CHECK(decode(*loaded.tokenizer, Ids{2, 3, 4, 5, 6}, true) == std::string("abab\xFF\0", 6));

  TinyVocabulary s = testing::tiny_spm();
  for (const float score : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -0.0F}) {
    s.add("aaa" + std::to_string(s.tokens.size()), TokenKind::normal, score);
  }
  CHECK(load_tokenizer(s.spm()).ok());

  v.add(std::string(257, 'x'), TokenKind::control);
  check_error(v.bpe(), Code::unsupported, "token 7 is a special one of 257 bytes; expected at most 256");
}

}  // namespace
}  // namespace troupe
