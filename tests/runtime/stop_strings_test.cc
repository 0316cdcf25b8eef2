#include "runtime/text/stop_strings.hpp"

#include <catch2/catch.hpp>

#include "tests/runtime/tokenizer_fixture.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using Strings = std::vector<std::string>;

struct Found {
  std::string shown, stop;
  bool operator==(const Found&) const = default;
};

/// By the definition: the first byte at which a stop is complete, and of those that are the longest.
Found by_definition(const std::string& text, const Strings& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::string best;
    for (const std::string& stop : stops) {
      if (stop.size() > best.size() && text.substr(0, end).ends_with(stop)) best = stop;
    }
    if (!best.empty()) return {text.substr(0, end - best.size()), best};
  }
  return {text, ""};
}

/// In pieces; what is shown early is a beginning of what is shown in all.
Found in_pieces(const Strings& pieces, const Strings& stops) {
  StopSearch search(StopStrings::create(stops).value());
  std::string shown;
  for (const std::string& piece : pieces) {
    auto pushed = search.push(piece);
    shown += pushed.shown;
    if (pushed.found != nullptr) return {shown, *pushed.found};
  }
  return {shown + search.finish(), ""};
}

Error refusal(const Strings& stops) { return StopStrings::create(stops).error(); }

}  // namespace

TEST_CASE("a stop string is found wherever the text is cut, and nothing of it is shown") {
  const Strings stops{"\n\nUser:", "</s>", "€uro", "ss"};
  for (const std::string& text : {std::string("Hello.\n\nUser: and"), std::string("a\n\n\nUser:"),
                                  std::string("x</</s>y"), std::string("so viele €€uros"), std::string("\n\nUser"),
                                  std::string("</s"), std::string("mississippi"), std::string("nothing here")}) {
    const Found expected = by_definition(text, stops);
    for (std::size_t size = 1; size <= text.size(); ++size) {
      Strings pieces;
      for (std::size_t at = 0; at < text.size(); at += size) pieces.push_back(text.substr(at, size));
      INFO(text << " in pieces of " << size);
      CHECK(in_pieces(pieces, stops) == expected);
    }
  }
}

TEST_CASE("of stops that are complete at the same byte the longer counts, else the one that is complete first") {
  CHECK(in_pieces({"xabc"}, {"bc", "abc", "c"}) == Found{"x", "abc"});
  CHECK(in_pieces({"xabc"}, {"abc", "b"}) == Found{"xa", "b"});
  CHECK(in_pieces({"xab", "c"}, {"abcd", "bc"}) == Found{"xa", "bc"});
  CHECK(in_pieces({"aab", "aac"}, {"aac", "ba"}) == Found{"aa", "ba"});
}

TEST_CASE("only what may be the beginning of a stop is held back") {
  StopSearch search(StopStrings::create({"END", "eine"}).value());
  CHECK(search.push("the E").shown == "the ");
  CHECK(search.push("N").shown.empty());
  CHECK(search.push("d ei").shown == "ENd ");
  CHECK(search.push("n").shown.empty());
  CHECK(search.push("ig e").shown == "einig ");  // its end may begin one anew
  CHECK(search.finish() == "e");
  CHECK(search.finish().empty());
  StopSearch none(nullptr);
  CHECK(none.push("END").shown == "END");
  CHECK(none.finish().empty());
}

TEST_CASE("random texts, stops and cuts agree with the definition") {
  Random random(first_seed());
  std::size_t found = 0;
  for (int round = 0; round < 3000; ++round) {
    // Few characters, so that they meet; among them some of several bytes.
    const Strings alphabet{"a", "b", "\xC3\xA4", "\xE2\x82\xAC"};
    const auto word = [&](std::size_t length) {
      std::string text;
      while (length-- > 0) text += alphabet[random() % alphabet.size()];
      return text;
    };
    Strings stops(1 + random() % 4), pieces(1 + random() % 12);
    for (std::string& stop : stops) stop = word(1 + random() % 6);
    for (std::string& piece : pieces) piece = word(random() % 4);
    std::string text;
    for (const std::string& piece : pieces) text += piece;
    INFO("round " << round << ": " << text);
    const Found expected = by_definition(text, stops);
    REQUIRE(in_pieces(pieces, stops) == expected);
    found += expected.stop.empty() ? 0 : 1;
  }
  CHECK(found > 500);
  CHECK(found < 2900);
}

TEST_CASE("stops that cannot be are refused", "[bad-input]") {
  CHECK_THAT(refusal(Strings(17, "x")).message(), Contains("17 stop strings"));
  CHECK_THAT(refusal({"x", ""}).message(), Contains("0 bytes"));
  CHECK_THAT(refusal({std::string(257, 'x')}).message(), Contains("257 bytes"));
  CHECK_THAT(refusal({"\xE2\x82"}).message(), Contains("UTF-8"));
  CHECK(refusal({"a\xFF"}).code() == Code::invalid_argument);
  CHECK(StopStrings::create(Strings(16, std::string(256, 'x'))).ok());
  CHECK(StopStrings::create({}).ok());
}

TEST_CASE("the meanest stops and texts take linear time", "[bad-input]") {
  Strings stops;
  for (std::size_t i = 0; i < 16; ++i) stops.push_back(std::string(255 - i, 'a') + 'b');
  StopSearch search(StopStrings::create(stops).value());
  std::string shown;
  for (int i = 0; i < 1000; ++i) shown += search.push(std::string(1000, 'a')).shown;
  CHECK(shown.size() == 1'000'000 - 255);
  CHECK(*search.push("b").found == stops[0]);
}

}  // namespace troupe::testing
