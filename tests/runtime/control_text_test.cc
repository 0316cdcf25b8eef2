#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe {
namespace {

using testing::GgufWriter;
using testing::load_tokenizer;
using testing::TinyVocabulary;

using Ids = std::vector<TokenId>;

bool ends(const GgufWriter& writer, TokenId id) { return load_tokenizer(writer).value().tokenizer->ends_text(id); }

constexpr const char* known_end_names[] = {
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<eos>",
    "<|eos|>",
    "</s>",
    "<EOT>",
    "_<EOT>",
    "▁<EOT>",
    "[EOT]",
    "[EOS]",
    "<end_of_utterance>",
    "<turn|>",
    "[e~[",
    "<|tool_response>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
};

TEST_CASE("fault 12: every known end name ends a text, whatever its type", "[bad-input]") {
  for (const char* name : known_end_names) {
    for (const TokenKind kind : {TokenKind::normal, TokenKind::user_defined, TokenKind::control, TokenKind::unused}) {
      INFO(name << " as " << static_cast<int>(kind));
      TinyVocabulary bpe = testing::tiny_bpe(), spm = testing::tiny_spm();
      spm.tokens[270] = "<not the end>";  // its own </s>
      const TokenId in_bpe = bpe.add(name, kind), in_spm = spm.add(name, kind);
      CHECK(ends(bpe.bpe(), in_bpe));
      CHECK(ends(spm.spm(), in_spm));
      CHECK(load_tokenizer(bpe.bpe()).value().tokenizer->piece(in_bpe, false).empty());
      CHECK(load_tokenizer(spm.spm()).value().tokenizer->piece(in_spm, false).empty());
      CHECK(load_tokenizer(bpe.bpe()).value().tokenizer->piece(in_bpe, true) == name);
      CHECK(load_tokenizer(spm.spm()).value().tokenizer->piece(in_spm, true) == name);
    }
  }
}

TEST_CASE("fault 12: a name that stands twice ends a text both times", "[bad-input]") {
  TinyVocabulary v = testing::tiny_bpe();
  const TokenId again = v.add("<|im_end|>", TokenKind::user_defined);
  CHECK(ends(v.bpe(), 265));
  CHECK(ends(v.bpe(), again));
}

TEST_CASE("fault 12: a marked end token that is user-defined prints nothing", "[bad-input]") {
  const auto key = GENERATE(as<std::string>{}, "eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep");
  TinyVocabulary v = testing::tiny_bpe();
  const TokenId stop = v.add("<stop>", TokenKind::user_defined);
  GgufWriter writer = v.bpe();
  writer.number("tokenizer.ggml." + key + "_token_id", ElementType::u32, stop);
  const auto loaded = load_tokenizer(writer).value();
  CHECK(loaded.tokenizer->ends_text(stop));
  CHECK(loaded.tokenizer->piece(stop, false).empty());
}

TEST_CASE("fault 12: what ends a message of a talk to tools, or a piece of HTML, ends no text", "[bad-input]") {
  TinyVocabulary harmony = testing::tiny_bpe();
  const TokenId end = harmony.add("<|end|>", TokenKind::control);
  CHECK(ends(harmony.bpe(), end));
  harmony.add("<|return|>", TokenKind::control);
  CHECK(ends(harmony.bpe(), end));
  harmony.add("<|call|>", TokenKind::control);
  CHECK_FALSE(ends(harmony.bpe(), end));

  TinyVocabulary html = testing::tiny_bpe();
  const TokenId struck = html.add("</s>", TokenKind::user_defined);
  CHECK(ends(html.bpe(), struck));
  html.add("</b>", TokenKind::user_defined);
  CHECK_FALSE(ends(html.bpe(), struck));
  CHECK(load_tokenizer(html.bpe()).value().tokenizer->piece(struck, false) == "</s>");
  html.kinds[static_cast<std::size_t>(struck)] = static_cast<std::int32_t>(TokenKind::control);
  CHECK(ends(html.bpe(), struck));
}

TEST_CASE("fault 12: BOS stands once, also behind the space that a text begins with", "[bad-input]") {
  const TinyVocabulary v = testing::tiny_spm();
  constexpr TokenId bos = 269, hello = 260;  // <s>, ▁hello
  GgufWriter writer = v.spm();
  writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, bos);
  const auto loaded = load_tokenizer(writer).value();
  CHECK(loaded.tokenizer->encode_prompt("hello") == Ids{bos, hello});
  CHECK(loaded.tokenizer->encode_prompt("<s>hello") == Ids{bos, hello});
  CHECK(loaded.tokenizer->encode_prompt("<s>") == Ids{bos});
  CHECK(loaded.tokenizer->encode_prompt("") == Ids{bos});
  CHECK(loaded.tokenizer->encode_prompt("<s><s>") == Ids{bos, bos});  // the second one is the caller's
}

TEST_CASE("fault 12: control and unknown tokens are plain text where the caller says so", "[bad-input]") {
  const TinyVocabulary v = testing::tiny_spm();
  constexpr TokenId space = 263, line = 272, bos = 269;
  GgufWriter writer = v.spm();
  writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, bos);
  const auto loaded = load_tokenizer(writer).value();
  const Tokenizer& spm = *loaded.tokenizer;
  CHECK(spm.encode("<s>", false) == Ids{space, '<', 's', '>'});
  CHECK(spm.encode("<unk>", false) == Ids{space, '<', 'u', 'n', 'k', '>'});
  CHECK(spm.encode("</s>\n\n", false) == Ids{space, '<', '/', 's', '>', line});  // user-defined: parsed always
  CHECK(spm.encode_prompt("<s>", false) == Ids{bos, space, '<', 's', '>'});

  const TinyVocabulary b = testing::tiny_bpe();
  const auto byte_level = load_tokenizer(b.bpe()).value();
  const Ids longer{266};  // <|im_end|>>, user-defined
  CHECK(byte_level.tokenizer->encode("<|im_end|>>", false) == longer);
  CHECK(byte_level.tokenizer->encode("<|im_end|>", false).size() == 10);
  CHECK(byte_level.tokenizer->encode("<|im_end|>", true) == Ids{265});
  CHECK(decode(*byte_level.tokenizer, byte_level.tokenizer->encode("<|im_start|>hello", false), false) ==
        "<|im_start|>hello");
}

TEST_CASE("fault 12: an end name of any type is no token of a user's text", "[bad-input]") {
  for (const TokenKind kind : {TokenKind::normal, TokenKind::user_defined, TokenKind::control}) {
    TinyVocabulary v = testing::tiny_bpe();
    const TokenId eot = v.add("<|eot_id|>", kind);
    const auto loaded = load_tokenizer(v.bpe()).value();
    CHECK(loaded.tokenizer->encode("<|eot_id|>", true) == Ids{eot});
    CHECK(loaded.tokenizer->encode("<|eot_id|>", false).size() == 10);
  }
}

TEST_CASE("fault 12: plain or parsed, the text survives, whatever stands in it", "[bad-input]") {
  constexpr unsigned seed = 20;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto loaded = load_tokenizer(testing::tiny_bpe().bpe()).value();
  const std::string parts[] = {"<|im_end|>", "<|im_start|>", "<|im_end|>>", "<|im", "_end|>", "hello", "<", ">"};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (unsigned i = random() % 12; i > 0; --i) text += parts[random() % std::size(parts)];
    for (const bool parse : {false, true}) {
      const Ids ids = loaded.tokenizer->encode(text, parse);
      CHECK(decode(*loaded.tokenizer, ids, true) == text);
      const bool control = std::any_of(ids.begin(), ids.end(), [](TokenId id) { return id == 264 || id == 265; });
      if (!parse) CHECK_FALSE(control);
    }
  }
}

}  // namespace
}  // namespace troupe
