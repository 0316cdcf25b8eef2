// Everything that templates can say, as Jinja2 renders it: features.json, which jinja_test.py holds to Jinja2 itself.
#include <catch2/catch.hpp>

#include "tests/templates/features.hpp"
#include "tests/templates/fixture.hpp"

namespace troupe::testing {
namespace {

TEST_CASE("templates render as Jinja2 renders them") {
  const jinja::Value all = features();
  const auto& dict = *jinja::as<jinja::Dict>(all);
  const std::string messages = messages_of(all);
  const auto& list = jinja::as<jinja::List>(*dict.find("features"))->items;
  REQUIRE(list.size() > 100);
  for (const jinja::Value& each : list) {
    const auto& feature = *jinja::as<jinja::Dict>(each);
    const std::string text = text_of(feature, "template")->bytes();
    const auto made = rendered(text, messages);
    INFO(text << "\n" << (made ? std::string() : made.error().message()));
    if (const jinja::Text* expected = text_of(feature, "text")) {
      REQUIRE(made);
      CHECK(*made == expected->bytes());
    } else {
      CHECK(!made);
      const jinja::Text* says = text_of(feature, "refused");
      if (!made && says != nullptr) CHECK(made.error().message().ends_with(says->bytes()));
    }
  }
}

TEST_CASE("what is wrong with a template is said with its place") {
  CHECK(complaint("a\n{{ 1 + }}") == "chat template, line 2, column 8: expected is a value, not '}}'");
  CHECK(complaint("{% for x in y %}") == R"(chat template, line 1, column 17: a tag "endfor" is missing)");
  CHECK(complaint("{% if x %}\n{% endfor %}") ==
        R"(chat template, line 2, column 1: the tag "endfor" ends nothing here; expected is endif)");
  CHECK(complaint("{{ 'ä' }}{{ x.y }}") ==
        R"(chat template, line 1, column 15: an undefined value has no attribute "y")");
  CHECK(complaint("{{ 1 | nofilter }}") == R"(chat template, line 1, column 8: there is no filter "nofilter")");
  CHECK(complaint("{% call f() %}").starts_with(R"(chat template, line 1, column 1: the tag "call" is not supported)"));
  CHECK(complaint("\n {{ raise_exception('no system role') }}") ==
        "chat template, line 2, column 20: it says: no system role");
  CHECK(complaint("{{ raise_exception('a\nb') }}") == "chat template, line 1, column 19: it says: a?b");
  CHECK(complaint("\xff") == "the chat template is not UTF-8");
}

TEST_CASE("filters that are not there count only where they are needed") {
  CHECK(rendered("{% if false %}{{ 1 | nofilter }}{% endif %}ok").value() == "ok");
}

TEST_CASE("ChatML is rendered for models without a template") {
  CHECK(rendered(chatml_template).value() ==
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n<|im_start|>assistant\n");
}

}  // namespace
}  // namespace troupe::testing
