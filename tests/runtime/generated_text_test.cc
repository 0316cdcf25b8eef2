#include "runtime/text/generated_text.hpp"

#include <catch2/catch.hpp>

#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

/// Tokens are words of a table; the first ends the text.
class WordTokenizer final : public Tokenizer {
 public:
  explicit WordTokenizer(std::vector<std::string> words) : words_(std::move(words)) { end_ = {0}; }
  [[nodiscard]] std::vector<TokenId> encode(std::string_view, bool) const override { return {}; }
  [[nodiscard]] std::string piece(TokenId id, bool) const override { return words_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] std::size_t size() const override { return words_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const override { return 0; }

 private:
  std::vector<std::string> words_;
};

const WordTokenizer words({"", "Hello", " wor", "ld\n", "\nUs", "er", "\xE2", "\x82", "\xAC", " "});

struct Whole {
  std::vector<TokenId> ids;
  std::string text, stop;
  std::optional<FinishReason> reason;
};

void take(GeneratedText& text, TokenId id, Whole& whole) {
  const auto pushed = text.push(id, words);
  if (pushed.token) {
    if (pushed.token->id != no_token) whole.ids.push_back(pushed.token->id);
    whole.text += pushed.token->text;
  }
  if (!pushed.ended) return;
  whole.reason = pushed.ended;
  if (pushed.stop != nullptr) whole.stop = *pushed.stop;
}

Whole said(const std::vector<TokenId>& ids, const TextTerms& terms) {
  GeneratedText text(terms);
  Whole whole;
  for (const TokenId id : ids) {
    if (!whole.reason) take(text, id, whole);
  }
  return whole;
}

TextTerms terms(std::uint32_t tokens, const std::vector<std::string>& stop = {}) {
  return {.max_tokens = tokens, .stop = StopStrings::create(stop).value()};
}

}  // namespace

TEST_CASE("a text ends at its end token, its length, the context or a stop string") {
  Whole whole = said({1, 2, 0, 1}, terms(10));
  CHECK(whole.reason == FinishReason::end);
  CHECK(whole.text == "Hello wor");
  CHECK(whole.ids == std::vector<TokenId>{1, 2});
  whole = said({1, 2, 3, 1}, terms(3));
  CHECK(whole.reason == FinishReason::length);
  CHECK(whole.ids.size() == 3);
  whole = said({1, 2, 3, 1}, {.max_tokens = 3, .fills_context = true});
  CHECK(whole.reason == FinishReason::context);
  whole = said({1, 2, 0, 3, 4, 5, 1}, {.max_tokens = 9, .ignore_end = true, .stop = terms(1, {"\n\nUser"}).stop});
  CHECK(whole.reason == FinishReason::stop);
  CHECK(whole.text == "Hello world");
  CHECK(whole.stop == "\n\nUser");
  CHECK(whole.ids == std::vector<TokenId>{1, 2, 0, 3, 4, 5});
}

TEST_CASE("what is held back is shown when the text ends otherwise") {
  const auto stop = terms(5, {"\n\nUser:"});
  CHECK(said({1, 3, 4, 0}, stop).text == "Hellold\n\nUs");           // behind the end token
  CHECK(said({1, 2, 3, 4, 5}, stop).text == "Hello world\n\nUser");  // in the last token
  CHECK(said({1, 6, 7, 0}, stop).text == "Hello\xEF\xBF\xBD");
  CHECK(said({1, 3, 4, 6, 7}, stop).text == "Hellold\n\nUs\xEF\xBF\xBD");
  const Whole whole = said({1, 6, 7, 0}, terms(5, {"\xEF\xBF\xBD"}));  // even what stands for a broken character
  CHECK(whole.reason == FinishReason::stop);
  CHECK(whole.text == "Hello");
}

TEST_CASE("a stop string may end within a token, or in a character of several") {
  CHECK(said({1, 2, 3}, terms(9, {"lo w"})).text == "Hel");
  CHECK(said({1, 6, 7, 8, 1}, terms(9, {"o\xE2\x82\xAC"})).text == "Hell");
  const Whole whole = said({6, 7, 8, 1}, terms(9, {"\xE2\x82\xACH"}));
  CHECK(whole.text.empty());
  CHECK(whole.ids.size() == 4);  // ids are streamed as they come
}

TEST_CASE("a text that goes on elsewhere says the same") {
  Random random(first_seed());
  const std::vector<std::vector<std::string>> stops{
      {}, {"Hello wor", "\xAC\x20"}, {"\n\nUser", "\xE2\x82\xAC "}, {"rHe"}};
  for (int round = 0; round < 2000; ++round) {
    TextTerms how{.max_tokens = 1 + random() % 20, .fills_context = random() % 2 == 0, .ignore_end = random() % 2 == 0};
    if (const auto made = StopStrings::create(stops[random() % stops.size()])) how.stop = *made;
    std::vector<TokenId> ids(20);
    for (TokenId& id : ids) id = static_cast<TokenId>(random() % words.size());
    const Whole whole = said(ids, how);
    const std::size_t cut = random() % (whole.ids.size() + 1);
    GeneratedText first(how), second(how);
    Whole parts;
    std::size_t next = 0;
    while (next < cut && !parts.reason) take(first, ids[next++], parts);
    second.replay(parts.ids, words);
    while (next < ids.size() && !parts.reason) take(second, ids[next++], parts);
    INFO("round " << round << ", cut behind " << cut);
    REQUIRE(parts.ids == whole.ids);
    REQUIRE(parts.text == whole.text);
    REQUIRE(parts.reason == whole.reason);
    REQUIRE(parts.stop == whole.stop);
  }
}

}  // namespace troupe::testing
