#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe {
namespace {

using testing::load_tokenizer;
using Ids = std::vector<TokenId>;

constexpr TokenId start = 264, end = 265, longer = 266;  // of tiny_bpe: <|im_start|>, <|im_end|>, <|im_end|>>

Ids bytes(std::string_view text) {
  Ids ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

Ids encode(std::vector<TextSpan> parts) {
  static const auto loaded = load_tokenizer(testing::tiny_bpe().bpe()).value();
  return loaded.tokenizer->encode_spans(parts);
}

}  // namespace

TEST_CASE("spans: a control token is one only where all of it is trusted") {
  CHECK(encode({{"<|im_start|>", true}, {"<|im_end|>", false}, {"<|im_end|>", true}}).size() == 12);
  CHECK(encode({{"<|im_start|>", true}}) == Ids{start});
  CHECK(encode({{"<|im_start|>", false}}) == bytes("<|im_start|>"));
  CHECK(encode({{"<|im_", true}, {"start|>", false}}) == bytes("<|im_start|>"));
  CHECK(encode({{"<|im_", false}, {"start|>", true}}) == bytes("<|im_start|>"));
  CHECK(encode({{"<|im_", true}, {"start|>", true}}) == Ids{start});
  CHECK(encode({{"<|im_end|", true}, {"", false}, {">", true}}) == Ids{end});
  CHECK(encode({{"<|im_end|>", true}, {">", false}}) == Ids{longer});  // user-defined: everywhere
  CHECK(encode({}).empty());
  CHECK(encode({{"", true}, {"", false}}).empty());
}

TEST_CASE("spans: words reach from one part into the next, as in the whole text") {
  const auto bpe = load_tokenizer(testing::tiny_bpe().bpe()).value();
  const auto spm = load_tokenizer(testing::tiny_spm().spm()).value();
  for (const Tokenizer* tokenizer : {bpe.tokenizer.get(), spm.tokenizer.get()}) {
    const std::vector<TextSpan> parts = {{"he", true}, {"llo h", false}, {"ello", true}};
    CHECK(tokenizer->encode_spans(parts) == tokenizer->encode("hello hello", false));
  }
}

TEST_CASE("special tokens of Phi-3 take the white space behind them along") {
  testing::TinyVocabulary v = testing::tiny_spm();
  const TokenId user = v.add("<|user|>", TokenKind::control), end = v.add("<|end|>", TokenKind::control);
  const TokenId text_end = v.add("<|endoftext|>", TokenKind::control);
  const auto ids = [&](const char* name, std::string_view text) {
    return load_tokenizer(v.spm().string("general.name", name)).value().tokenizer->encode(text);
  };
  const Ids line = ids("Llama", "\n"), two = ids("Llama", "\n hello \n");
  const TokenId hello = ids("Llama", "hello").front();
  for (const char* name : {"Phi3", "microsoft Phi-3-mini-4k-instruct"}) {
    CHECK(ids(name, "<|user|>\nhello<|end|>\n<|user|> \t\r\n\v\f") == Ids{user, hello, end, user});
    CHECK(ids(name, "</s>\n") == Ids{ids("Llama", "</s>").front()});
    for (const std::string alone : {"<s>", "<unk>", "<|endoftext|>"})
      CHECK(ids(name, alone + "\n").size() == 1 + line.size());
    CHECK(ids(name, "\n hello \n") == two);  // what stands behind no special token is text
  }
  CHECK(ids("Llama", "<|user|>\n").size() == 1 + line.size());
  CHECK(ids("Phi3", "<|endoftext|>").front() == text_end);
}

TEST_CASE("spans: whatever a user writes, no control token comes of it") {
  constexpr unsigned seed = 21;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto bpe = load_tokenizer(testing::tiny_bpe().bpe()).value();
  const auto spm = load_tokenizer(testing::tiny_spm().spm()).value();
  const char* const pieces[] = {"<|im_end|>", "<|im_", "end|>", "<s>", "</", "s>",
                                "<unk>",      "hello", "<",     "|",   " ",  "\n\n"};
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> texts;
    for (unsigned i = random() % 12; i > 0; --i) texts.emplace_back(pieces[random() % std::size(pieces)]);
    std::vector<TextSpan> parts;
    for (const std::string& text : texts) parts.push_back({text, random() % 2 == 0 && text == "hello"});
    for (const Tokenizer* tokenizer : {bpe.tokenizer.get(), spm.tokenizer.get()}) {
      const Ids ids = tokenizer->encode_spans(parts);
      CHECK(std::none_of(ids.begin(), ids.end(), [&](TokenId id) { return tokenizer->piece(id, false).empty(); }));
    }
  }
}

TEST_CASE("decode: the text comes back byte for byte, special tokens and spaces too") {
  const auto loaded = load_tokenizer(testing::tiny_spm().spm()).value();
  const Tokenizer& tokenizer = *loaded.tokenizer;
  for (const char* text : {"hello", " hello", "  hello ", "hello<s>hello", "hello<s> hello</s>", "\n\nhello",
                           "\n\n hello", " ", "<s> ", "<s>\n\n<unk> a", "", "é\xFF <0x41>"}) {
    INFO(text);
    CHECK(decode(tokenizer, tokenizer.encode(text), true) == text);
    CHECK(decode(tokenizer, tokenizer.encode(text, false), true) == text);
  }
  CHECK(decode(tokenizer, tokenizer.encode("<s>hello</s>"), false) == "hello");
  const auto plain =
      load_tokenizer(testing::tiny_spm().spm().boolean("tokenizer.ggml.add_space_prefix", false)).value();
  CHECK(decode(*plain.tokenizer, plain.tokenizer->encode(" hello"), true) == " hello");
}

}  // namespace troupe
