#include "runtime/text/tokenizer.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe {
namespace {

using testing::encode_time;
using testing::load_tokenizer;
using testing::LoadedTokenizer;
using testing::repeated;

struct RealModel {
  const char* file;
  const char* golden;
  const char* lacks;  // bytes for which its vocabulary has no token
};

constexpr RealModel smollm2{"SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2.tokenize.jsonl", "\x04\x06\x13\x14\x16\x1D"};
constexpr RealModel gemma3{"gemma-3-270m-q4_k_m.gguf", "gemma3.tokenize.jsonl", ""};

std::filesystem::path folder(const char* variable, const std::filesystem::path& usual) {
  const char* value = std::getenv(variable);
  return value == nullptr || *value == '\0' ? usual : std::filesystem::path(value);
}

/// Nothing, and a line that says so, where the model is not on this machine.
std::optional<LoadedTokenizer> load(const RealModel& model) {
  const char* home = std::getenv("HOME");
  const auto usual = std::filesystem::path(home == nullptr ? "." : home) / ".cache/troupe/models";
  const auto path = folder("TROUPE_MODELS", usual) / model.file;
  if (!std::filesystem::exists(path)) {
    WARN("skipped: there is no " << path.string());
    return std::nullopt;
  }
  return load_tokenizer(path).value();
}

std::vector<TokenId> ids_of(const boost::json::value& line) {
  std::vector<TokenId> ids;
  for (const auto& id : line.at("ids").as_array()) ids.push_back(id.to_number<TokenId>());
  return ids;
}

TEST_CASE("tokenizer: the golden texts have the ids of the models' own tokenizers", "[golden]") {
  const RealModel model = GENERATE(smollm2, gemma3);
  const auto path = folder("TROUPE_SHARED", "../shared") / "golden" / model.golden;
  std::ifstream lines(path);
  if (!lines) {
    WARN("skipped: there is no " << path.string());
    return;
  }
  const auto loaded = load(model);
  if (!loaded) return;
  int count = 0;
  for (std::string text; std::getline(lines, text); ++count) {
    const auto line = boost::json::parse(text);
    const std::string prompt(line.at("text").as_string());
    INFO(model.golden << ": " << text);
    CHECK(loaded->tokenizer->encode(prompt) == ids_of(line));
    CHECK(decode(*loaded->tokenizer, ids_of(line), true) == prompt);
  }
  CHECK(count > 0);
}

TEST_CASE("tokenizer: the real vocabularies know how a prompt begins and a text ends", "[golden]") {
  if (const auto loaded = load(smollm2)) {
    const Tokenizer& tokenizer = *loaded->tokenizer;
    CHECK(tokenizer.encode_prompt("Hello world") == std::vector<TokenId>{19556, 905});
    CHECK((tokenizer.ends_text(0) && tokenizer.ends_text(2)));
    CHECK((!tokenizer.ends_text(1) && !tokenizer.ends_text(-1) && !tokenizer.ends_text(49151)));
    CHECK((tokenizer.piece(2, true) == "<|im_end|>" && tokenizer.piece(2, false).empty()));
  }
  if (const auto loaded = load(gemma3)) {
    const Tokenizer& tokenizer = *loaded->tokenizer;
    CHECK(tokenizer.encode_prompt("Hello world") == std::vector<TokenId>{2, 9259, 1902});
    CHECK((tokenizer.ends_text(1) && tokenizer.ends_text(106)));
    CHECK_FALSE(tokenizer.ends_text(212));  // </s>, here a mark-up tag
    CHECK((tokenizer.piece(106, true) == "<end_of_turn>" && tokenizer.piece(106, false).empty()));
    CHECK(tokenizer.piece(248, false) == "\n");
  }
}

/// Whether the text comes back from its ids, by the vocabulary's nature: U+2581 is a space to some, and bytes may be
/// lacking.
bool comes_back(const RealModel& model, const std::string& text) {
  return text.find_first_of(model.lacks) == std::string::npos && text.find("\u2581") == std::string::npos;
}

TEST_CASE("tokenizer: text comes back from its ids, and no bytes do harm", "[golden]") {
  const RealModel model = GENERATE(smollm2, gemma3);
  const auto loaded = load(model);
  if (!loaded) return;
  const Tokenizer& tokenizer = *loaded->tokenizer;
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    const std::string text = testing::random_text(random, random() % 200);
    if (comes_back(model, text)) CHECK(decode(tokenizer, tokenizer.encode(text), true) == text);
    for (const TokenId id : tokenizer.encode(testing::random_bytes(random, random() % 200))) {
      REQUIRE((id >= 0 && static_cast<std::size_t>(id) < tokenizer.size()));
    }
  }
}

TEST_CASE("tokenizer: the time grows no faster than the text, whatever is repeated", "[golden]") {
  const RealModel model = GENERATE(smollm2, gemma3);
  const auto loaded = load(model);
  if (!loaded) return;
  std::string times;
  for (const char* unit :
       {"a", " ", "\n", "中", "7", "<", "'", "\xFF", "the ", "<unused6", "<|im_end", ">▁", "日本語"}) {
    const double small = encode_time(*loaded->tokenizer, repeated(unit, 1U << 17));
    const double large = encode_time(*loaded->tokenizer, repeated(unit, 1U << 20));
    INFO("\"" << unit << "\": 128 KiB take " << small << " ms, 1 MiB " << large << " ms");
    CHECK(large < 16 * small + 50);
    times += " " + std::to_string(large).substr(0, 5);
  }
  WARN(model.file << ", ms per MiB of runs:" << times);
}

/// What a stream makes of a text in two parts, the second one from byte `cut`.
std::string through_stream(std::string_view text, std::size_t cut) {
  Utf8Stream stream;
  std::string out = stream.push(text.substr(0, cut));
  out += stream.push(text.substr(cut));
  out += stream.finish();
  return out;
}

TEST_CASE("tokenizer: a stream of pieces never ends within a character") {
  const std::string text = "a\u00E9\u4E2D\U0001F600 end\U0001F469\u200D\U0001F467";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Stream stream;
    const std::string first = stream.push(std::string_view(text).substr(0, cut));
    CHECK(text.compare(0, first.size(), first) == 0);
    CHECK((cut == text.size() || (static_cast<unsigned char>(text[first.size()]) & 0xC0) != 0x80));
    CHECK(through_stream(text, cut) == text);
  }
  Utf8Stream stream;
  std::string bytewise;
  for (const char byte : text) bytewise += stream.push({&byte, 1});
  CHECK(bytewise == text);
  CHECK(stream.finish().empty());
}

TEST_CASE("tokenizer: a stream replaces what can never become a character") {
  const std::pair<std::string_view, std::string_view> cases[] = {{"a\xFFz", "a\uFFFDz"},
                                                                 {"\x80\x80", "\uFFFD\uFFFD"},
                                                                 {"\xE4\xB8z", "\uFFFDz"},
                                                                 {"\xE4\xB8", "\uFFFD"},
                                                                 {"\xF0\x9F\x98", "\uFFFD"},
                                                                 {"\xC0\x80", "\uFFFD\uFFFD"},
                                                                 {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
                                                                 {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
                                                                 {"\xE4\xE4\xB8\xAD", "\uFFFD中"},
                                                                 {"", ""}};
  for (const auto& [bytes, expected] : cases) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) CHECK(through_stream(bytes, cut) == expected);
  }
  Utf8Stream stream;
  CHECK(stream.push("\xE4\xB8").empty());
  CHECK(stream.finish() == "\uFFFD");
  CHECK(stream.finish().empty());
}

}  // namespace
}  // namespace troupe
