// JSON as conversations come in it.
#include <catch2/catch.hpp>

#include "runtime/text/template/json.hpp"
#include "tests/templates/fixture.hpp"

namespace troupe::testing {
namespace {

/// A value as it is printed.
std::string shown(const std::string& json) {
  const auto made = rendered("{{ messages[0].x }}", R"([{"role": "user", "x": )" + json + "}]");
  return made ? *made : made.error().message();
}

TEST_CASE("JSON is read as Python reads it", "[bad-input]") {
  CHECK(shown("  [1, -2.50, 1e3, true, null]\t") == "[1, -2.5, 1000.0, True, None]");
  CHECK(shown(R"("\u00e4\ud83d\ude00\n\/\"")") == "ä😀\n/\"");
  CHECK(shown(R"("\ud83d!")") == "\uFFFD!");
  CHECK(shown(R"("\ud83d\u0041")") == "\uFFFDA");
  CHECK(shown(R"({"b": 1, "a": 2, "b": 3})") == "{'b': 3, 'a': 2}");
  CHECK(shown("[9223372036854775807, 9223372036854775808, -1e999, 1e-999]") ==
        "[9223372036854775807, 9.223372036854776e+18, -inf, 0.0]");
  CHECK(shown("[NaN, Infinity, -Infinity]") == "[nan, inf, -inf]");
}

TEST_CASE("what is no JSON is refused with its place", "[bad-input]") {
  for (const std::string bad : {"",       "tru",         "01",       "1.",      ".5",        "-",    "1e",    "+1",
                                "'a'",    "\"a",         "\"\n\"",   R"("\x")", R"("\u12")", "[1,]", "[1 2]", "{\"a\"}",
                                "{a: 1}", "{\"a\": 1,}", "\"\xff\"", "[",       "{",         "nul",  "[}"}) {
    INFO(bad);
    CHECK(shown(bad).starts_with("messages: JSON, line 1, byte "));
  }
  CHECK(complaint("", "[\n 1 2]") == "messages: JSON, line 2, byte 4: ',' or ']' is missing");
  CHECK(complaint("", "[] []") == "messages: JSON, line 1, byte 4: there is more behind the value");
}

TEST_CASE("conversations are lists of messages with roles", "[bad-input]") {
  CHECK(complaint("", "{}") == "messages: must be a list of messages in JSON");
  const std::string wanted = "messages: message 2 must be an object with a \"role\" that is a text";
  for (const std::string bad : {"1", "[]", "{}", R"({"role": 1})", R"({"content": "x"})"}) {
    CHECK(complaint("", R"([{"role": "user"}, )" + bad + "]") == wanted);
  }
  CHECK(complaint("", two_messages, "{}") == "tools: must be a list of tools in JSON");
  CHECK(complaint("", two_messages, "[").starts_with("tools: JSON, line 1"));
  CHECK(rendered("{{ tools }}", two_messages, "[1]").value() == "[1]");
}

TEST_CASE("JSON that is too deep or too much is refused", "[bad-input]") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(jinja::parse_json(nested(100)));
  for (const std::size_t depth : {101, 100'000}) {
    CHECK(jinja::parse_json(nested(depth)).error().message().ends_with("nested deeper than 100 levels"));
  }
  std::string many = "[0";
  for (int i = 0; i < 1 << 20; ++i) many += ",0";
  CHECK(jinja::parse_json(many + "]").error().message().find("more than 1048576 values") != std::string::npos);
}

}  // namespace
}  // namespace troupe::testing
