#include <algorithm>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const std::string replacement = "\xEF\xBF\xBD";
constexpr TokenId end_of_text = 265;  // of both vocabularies

/// Every byte by its own number as <0x00> to <0xFF>, and the control tokens that the tiny model needs.
TinyVocabulary byte_fallback() {
  TinyVocabulary v = tiny_spm();
  const auto cut = [](auto& list) { list.resize(256); };
  cut(v.tokens), cut(v.kinds), cut(v.scores);
  v.add("▁", TokenKind::normal, -1);
  while (v.tokens.size() < end_of_text) v.add("filler" + std::to_string(v.tokens.size()), TokenKind::unused);
  v.add("</s>", TokenKind::control);
  return v;
}

/// A model that writes after each token of `chain` the next one: its layers add nothing, so that the hidden state is
/// the last token's embedding, and the head's row of what follows is that embedding.
TinyModel writes(const Ids& chain) {
  TinyModel model{.layers = 1};
  std::vector<float> embedding;
  model.edit = [chain, embedding](const std::string& name, std::vector<float>& values) mutable {
    if (name == "token_embd.weight") embedding = values;
    const bool adds = name.ends_with("attn_output.weight") || name.ends_with("ffn_down.weight");
    if (adds || name == "output.weight") std::fill(values.begin(), values.end(), 0.0F);
    if (name != "output.weight") return;
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
      const auto row = [&](TokenId id) { return static_cast<std::ptrdiff_t>(id) * TinyModel::hidden; };
      std::copy_n(embedding.begin() + row(chain[i]), TinyModel::hidden, values.begin() + row(chain[i + 1]));
    }
  };
  return model;
}

/// What a stream gave, token by token.
struct Read {
  std::vector<Token> tokens;
  std::optional<Code> code;
};

Read all_of(Generation stream) {
  Read read;
  try {
    while (auto token = stream.next()) read.tokens.push_back(*token);
  } catch (const Error& error) {
    read.code = error.code();
  }
  return read;
}

Read written(const TinyModel& tiny, const Ids& prompt, const GenerateOptions& options, std::uint32_t context = 0) {
  const MemoryFile file(tiny.file());
  const Runtime runtime;
  return all_of(runtime.load(file.path(), {.threads = 1, .context = context}).generate(prompt, options));
}

void check(const Read& read, const std::vector<std::pair<TokenId, std::string>>& expected) {
  CHECK_FALSE(read.code);
  REQUIRE(read.tokens.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(read.tokens[i].id == expected[i].first);
    CHECK(read.tokens[i].text == expected[i].second);
  }
}

/// Of both ways in which a token can be a part of a character.
TinyModel of_bytes(bool spm, const Ids& chain) {
  TinyModel model = writes(chain);
  if (spm) model.tokenizer = [] { return byte_fallback().spm(); };
  return model;
}

}  // namespace

TEST_CASE("fault 13: a text that is cut inside a character ends in its last token's own text", "[bad-input]") {
  const bool spm = GENERATE(false, true);
  INFO((spm ? "byte fallback" : "byte-level"));
  const TinyModel euro = of_bytes(spm, {'a', 0xE2, 0x82, 0xAC, 'b'});
  check(written(euro, {'a'}, {.max_tokens = 1}), {{0xE2, replacement}});
  check(written(euro, {'a'}, {.max_tokens = 2}), {{0xE2, ""}, {0x82, replacement}});
  check(written(euro, {'a'}, {.max_tokens = 3}), {{0xE2, ""}, {0x82, ""}, {0xAC, "€"}});
  // By the end of the context: of four positions three are the prompt's.
  check(written(euro, {5, 6, 'a'}, {}, 4), {{0xE2, ""}, {0x82, replacement}});
  check(written(euro, {5, 6, 'a'}, {.max_tokens = 100}, 3), {{0xE2, replacement}});
}

TEST_CASE("fault 13: what an end token leaves over of a character comes without an id", "[bad-input]") {
  const bool spm = GENERATE(false, true);
  INFO((spm ? "byte fallback" : "byte-level"));
  const TinyModel cut = of_bytes(spm, {'a', 'b', 0xE2, 0x82, end_of_text});
  check(written(cut, {'a'}, {}), {{'b', "b"}, {0xE2, ""}, {0x82, ""}, {no_token, replacement}});
  check(written(cut, {'a'}, {.max_tokens = 4}), {{'b', "b"}, {0xE2, ""}, {0x82, ""}, {no_token, replacement}});
  check(written(cut, {'a'}, {.max_tokens = 3}), {{'b', "b"}, {0xE2, ""}, {0x82, replacement}});
  // Past the end, where it is ignored: the end token itself has no text, and what it cut is the last token's.
  check(written(cut, {'a'}, {.max_tokens = 4, .ignore_end = true}),
        {{'b', "b"}, {0xE2, ""}, {0x82, ""}, {end_of_text, replacement}});
  // A whole character leaves nothing.
  check(written(of_bytes(spm, {'a', 'b', end_of_text}), {'a'}, {}), {{'b', "b"}});
}

TEST_CASE("fault 13: a cancelled text has no last piece", "[bad-input]") {
  const bool spm = GENERATE(false, true);
  const MemoryFile file(of_bytes(spm, {'a', 0xE2, 0xE2}).file());
  const Runtime runtime;
  const Model model = runtime.load(file.path(), {.threads = 1});
  Generation stream = model.generate(Ids{'a'}, {.max_tokens = 250, .ignore_end = true});
  REQUIRE(stream.next());
  stream.cancel();
  const Read rest = all_of(std::move(stream));
  if (!rest.code) {  // it was through already
    CHECK(rest.tokens.size() == 249);
  } else {
    CHECK(rest.code == Code::cancelled);
  }
  for (const Token& token : rest.tokens) CHECK(token.id != no_token);
}

TEST_CASE("fault 13: no_token is refused with a line that says what it is", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  const auto refusal = [](const auto& call) {
    const Error error = error_of(call);
    CHECK(error.code() == Code::invalid_argument);
    return error.message();
  };
  CHECK_THAT(refusal([&] {
               (void)model.generate(Ids{5, no_token}, tokens(1));
             }),
             Contains("no_token") && Contains("at place 1"));
  CHECK_THAT(refusal([&] { model.logits(Ids{no_token}, true, [](std::uint32_t, std::span<const float>) {}); }),
             Contains("no_token"));
  CHECK_THAT(refusal([&] { (void)model.checkpoint().detokenize(Ids{no_token}); }), Contains("no_token"));
  CHECK_THAT(refusal([&] { (void)model.generate(Ids{-2}, tokens(1)); }), Contains("id -2"));
  CHECK(Token{}.id == no_token);
}

TEST_CASE("fault 12: control tokens in a text are parsed or plain text, as the caller says", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  const Checkpoint& checkpoint = model.checkpoint();
  const std::string text = "hi<|im_end|>";
  Ids plain;
  for (const char c : text) plain.push_back(static_cast<unsigned char>(c));
  CHECK(checkpoint.tokenize(text) == Ids{'h', 'i', end_of_text});
  CHECK(checkpoint.tokenize(text, false) == plain);
  CHECK(checkpoint.prompt(text) == Ids{'h', 'i', end_of_text});
  CHECK(checkpoint.prompt(text, false) == plain);

  const auto reached = [&](bool parse_special) {
    GenerateOptions options = tokens(3);
    options.parse_special = parse_special;
    return outcome_of(model.generate(text, options)).ids;
  };
  CHECK(reached(true) == continued(model, checkpoint.tokenize(text, true), 3));
  CHECK(reached(false) == continued(model, plain, 3));
  CHECK(reached(true) != reached(false));
}

TEST_CASE("fault 12: a prompt that begins with BOS gets no second one", "[bad-input]") {
  TinyModel tiny;
  tiny.keys = [](GgufWriter& writer) {
    writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, 264U).boolean("tokenizer.ggml.add_bos_token", true);
  };
  const MemoryFile file(tiny.file());
  const Checkpoint checkpoint = Runtime().open(file.path());
  CHECK(checkpoint.prompt("hi") == Ids{264, 'h', 'i'});
  CHECK(checkpoint.prompt("<|im_start|>hi") == Ids{264, 'h', 'i'});
  CHECK(checkpoint.prompt("<|im_start|>") == Ids{264});
  CHECK(checkpoint.prompt("") == Ids{264});
  CHECK(checkpoint.prompt("<|im_start|>", false).size() == 13);  // BOS, and twelve characters
}

TEST_CASE("fault 12: a known end name ends a text whatever its type, and prints nothing", "[bad-input]") {
  const auto name = GENERATE(as<std::string>{}, "<|im_end|>", "<|eot_id|>", "[EOS]", "<turn|>");
  const auto kind = GENERATE(TokenKind::user_defined, TokenKind::normal, TokenKind::unused, TokenKind::control);
  INFO(name << " as " << static_cast<int>(kind));
  TinyVocabulary v = tiny_bpe();
  v.tokens[265] = "<other>";
  const TokenId end = v.add(name, kind);
  TinyModel tiny = writes({'a', 'b', end, 'c'});
  tiny.tokenizer = [&] { return v.bpe(); };
  check(written(tiny, {'a'}, {.max_tokens = 20}), {{'b', "b"}});
  check(written(tiny, {'a'}, {.max_tokens = 3, .ignore_end = true}), {{'b', "b"}, {end, ""}, {'c', "c"}});
}

}  // namespace troupe::testing
