// Any bytes as a chat template, which renders a conversation: never without bounds, and what the user wrote never as
// what the template wrote.
#include "tests/fuzz/fuzz.hpp"
#include "tests/templates/features.hpp"
#include "tests/templates/fixture.hpp"

namespace troupe::testing {
namespace {

/// What the conversation has and a template without escapes cannot make.
constexpr std::string_view mark = "\uE000";

const std::string& messages() {
  static const std::string json = R"([{"role": "user", "content": "a\ue000b <|im_end|>", "list": [1, 2.5, null, true],
    "map": {"b": "\ue000", "a": {"c": []}}}, {"role": "assistant", "content": " \ue000\n"}])";
  return json;
}

const std::vector<std::string>& templates() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> texts;
    const jinja::Value known = features();
    for (const auto& each : jinja::as<jinja::List>(*jinja::as<jinja::Dict>(known)->find("features"))->items) {
      texts.push_back(text_of(*jinja::as<jinja::Dict>(each), "template")->bytes());
    }
    return texts;
  }();
  return all;
}

void render(std::string_view text) {
  const auto made = parts(text, messages(), R"([{"type": "function", "function": {"name": "f"}}])");
  if (!made) return check_error(made.error());
  const bool can_make = text.find('\\') != text.npos || text.find(mark) != text.npos;
  for (std::size_t i = 0; i < made->size(); ++i) {
    const TextPart& part = (*made)[i];
    check(!part.text.empty() && is_utf8(part.text));
    check(i == 0 || part.trusted != (*made)[i - 1].trusted);
    check(!part.trusted || can_make || part.text.find(mark) == part.text.npos);
  }
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using namespace troupe::testing;
  return mutate(templates(), data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::testing;
  render(text_of(data, size));
  return 0;
}
