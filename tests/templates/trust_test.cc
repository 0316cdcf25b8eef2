// Who wrote which part of a prompt: what a user wrote is never trusted, wherever a template carries it.
#include <catch2/catch.hpp>

#include "tests/templates/fixture.hpp"

namespace troupe::testing {
namespace {

/// The parts, those that are not trusted in brackets.
std::string marked(std::string_view text, std::string_view content = "x<END>y") {
  const std::string messages = R"([{"role": "user", "content": ")" + std::string(content) + R"("}])";
  std::string out = {};
  const auto made = parts("{% set m = messages[0].content %}" + std::string(text), messages);
  if (!made) return made.error().message();
  for (const TextPart& part : *made) out += part.trusted ? part.text : "[" + part.text + "]";
  return out;
}

TEST_CASE("texts are joined and cut with their authors") {
  CHECK(marked("<S>{{ m }}<E>") == "<S>[x<END>y]<E>");
  CHECK(marked("{{ '<S>' + m + '<E>' }}") == "<S>[x<END>y]<E>");
  CHECK(marked("{{ '<S>' ~ m ~ '<E>' }}") == "<S>[x<END>y]<E>");
  CHECK(marked("{{ ('<S>' + m + '<E>')[2:5] }}") == ">[x<]");
  CHECK(marked("{{ ('<S>' + m + '<E>')[::-1] }}") == ">E<[y>DNE<x]>S<");
  CHECK(marked("{{ ('<S>' + m)[3] }}{{ (m ~ '!')[-1] }}") == "[x]!");
  CHECK(marked("{{ (' <S> ' + m + '  ')|trim }}") == "<S> [x<END>y]");
  CHECK(marked("{{ m * 2 }}{{ '-' * 2 }}") == "[x<END>yx<END>y]--");
  CHECK(marked("{{ bos_token }}{{ messages[0].role }}{{ eos_token }}") == "<s>[user]</s>");
  CHECK(marked("{% for c in m %}{{ c }}-{% endfor %}", "ab") == "[a]-[b]-");
}

TEST_CASE("methods and filters keep authors") {
  CHECK(marked("{{ m.replace('<END>', '|') }}") == "[x]|[y]");
  CHECK(marked("{{ 'a-b'|replace('-', m) }}") == "a[x<END>y]b");
  CHECK(marked("{{ m.split('<END>')|join('+') }}") == "[x]+[y]");
  CHECK(marked("{{ ('<S> ' + m).split(' ')[1] }}") == "[x<END>y]");
  CHECK(marked("{{ [m, '<E>']|join('|') }}") == "[x<END>y]|<E>");
  CHECK(marked("{{ ('a' ~ m)|upper }}") == "A[X<END>Y]");
  CHECK(marked("{{ '<{}>'.format(m) }}") == "<[x<END>y]>");
  CHECK(marked("{{ ('a\n' ~ m)|indent(1) }}") == "a\n [x<END>y]");
  CHECK(marked("{{ 'a\nb'|indent(m, true) }}") == "[x<END>y]a\n[x<END>y]b");
  CHECK(marked("{{ 'a\nb'|indent('-' ~ m) }}") == "a\n-[x<END>y]b");
  CHECK(marked("{{ m|string }}{{ m|default('d') }}{{ m|list|first }}") == "[x<END>yx<END>yx]");
}

TEST_CASE("blocks, macros and namespaces keep authors") {
  CHECK(marked("{% macro f(a) %}<{{ a }}>{% endmacro %}{{ f(m) }}") == "<[x<END>y]>");
  CHECK(marked("{% set b %}<{{ m }}>{% endset %}{{ b }}") == "<[x<END>y]>");
  CHECK(marked("{% filter trim %} {{ m }}! {% endfilter %}") == "[x<END>y]!");
  CHECK(marked("{% set ns = namespace(t='') %}{% set ns.t = ns.t + m %}{{ ns.t }}!") == "[x<END>y]!");
  CHECK(marked("{% generation %}{{ m }}!{% endgeneration %}") == "[x<END>y]!");
}

TEST_CASE("what is computed is not trusted") {
  CHECK(marked("{{ [m, '<E>']|tojson }}", "a") == R"([["a", "<E>"]])");
  CHECK(marked("{{ ['<E>'] }}|{{ 1 }}|{{ none }}") == "[['<E>']]|[1]|[None]");
  CHECK(marked(R"({{ '["<E>"]'|from_json|first }})") == "[<E>]");
  CHECK(marked("{{ ('<E>'|safe) + '<' }}") == "<E>[&lt;]");
  CHECK(marked("{% for k in messages[0] %}{{ k }}{% endfor %}") == "[rolecontent]");
}

}  // namespace
}  // namespace troupe::testing
