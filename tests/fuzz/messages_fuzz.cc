// Any bytes as the JSON of a conversation: read, written and read again, and rendered by a template that looks at all
// of it.
#include "tests/fuzz/fuzz.hpp"
#include "tests/templates/features.hpp"
#include "tests/templates/fixture.hpp"

namespace troupe::testing {
namespace {

const ChatTemplate& everything() {
  static const ChatTemplate parsed =
      ChatTemplate::parse(R"({% macro show(x) %}{% if x is mapping %}{% for k, v in x|dictsort %}{{ k }}={{ show(v) }};
{% endfor %}{% elif x is string %}{{ x|upper|trim }}{{ x[1:-1] }}{% elif x is iterable %}{% for y in x %}{{ show(y) }},
{% endfor %}{% else %}{{ x ~ (x|int) }}{% endif %}{% endmacro %}{% for m in messages %}{{ m }}{{ m|tojson(indent=1) }}
{{ show(m) }}{{ m.content in m.role }}{{ m.content == messages[0].content }}{% endfor %}{{ tools }})")
          .value();
  return parsed;
}

std::string written(const jinja::Value& value) {
  jinja::Budget budget(1 << 20, 1 << 20);
  return jinja::as<jinja::Text>(jinja::to_json(value, {}, budget).value())->bytes();
}

void read(std::string_view json) {
  const auto value = jinja::parse_json(json);
  if (value) {
    const std::string once = written(*value);
    check(is_utf8(once));
    check(written(jinja::parse_json(once).value()) == once);
  } else {
    check_error(value.error());
  }
  const auto made = everything().render({json, json, true, "<s>", "</s>", saturday()});
  if (!made) return check_error(made.error());
  check(is_utf8(joined(*made)));
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  static const std::string whole[] = {
      R"([{"role": "user", "content": "Hi \u00e4\ud83d\ude00\n\"", "n": [1, -2.5e3, true, null]}])",
      R"([{"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"arguments": {"a": {}}}}]}])",
      R"([{"role": "tool", "content": [{"type": "text", "text": "x"}, NaN, -Infinity, 99999999999999999999]}])"};
  return troupe::testing::mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::read(troupe::testing::text_of(data, size));
  return 0;
}
