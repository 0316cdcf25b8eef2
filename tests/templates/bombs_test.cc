// Templates and conversations that would take for ever, or all memory, end in an error.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <ctime>

#include "runtime/text/utf8.hpp"
#include "tests/templates/fixture.hpp"

namespace troupe::testing {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// Names with values, so many that looking for one of them is work.
std::string many_arguments(std::string_view value, bool numbered) {
  std::string text;
  for (int i = 0; i < 15000; ++i) text += ", a" + (numbered ? std::to_string(i) : "") + "=" + std::string(value);
  return text;
}

/// A template that cannot end well, and what is said of it; nothing where it may.
struct Bomb {
  std::string name, text, said;
};

const std::string too_much = "takes more steps or memory";

std::vector<Bomb> bombs() {
  const std::string wide = "{% for a in range(100000) %}";
  return {
      {"nested loops", wide + wide + wide + "x" + repeated("{% endfor %}", 3), too_much},
      {"a loop that does nothing", wide + wide + repeated("{% endfor %}", 2), too_much},
      {"a long range", "{{ range(10**9)|list }}", "too long"},
      {"a text doubled",
       "{% set ns = namespace(x='aaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", too_much},
      {"a text added to itself",
       "{% set ns = namespace(x='aaaa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", too_much},
      {"a text times a number", "{{ 'a' * 10**12 }}", too_much},
      {"a list times a number", "{{ [0] * 10**12 }}", too_much},
      {"a list doubled",
       "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", too_much},
      {"a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested too deeply"},
      {"macros that call each other twice",
       "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}", too_much},
      {"nested brackets", "{{ " + repeated("(", 60000) + "1" + repeated(")", 60000) + " }}", "nested deeper"},
      {"nested lists", "{{ " + repeated("[", 60000) + repeated("]", 60000) + " }}", "nested deeper"},
      {"nots", "{{ " + repeated("not ", 50000) + "1 }}", "nested deeper"},
      {"minuses", "{{ " + repeated("-", 100000) + "1 }}", "nested deeper"},
      {"nested blocks", repeated("{% if 1 %}", 20000), "nested deeper"},
      {"a chain of attributes", "{{ a" + repeated(".a", 60000) + " }}", "nested deeper"},
      {"a chain of choices", "{{ 1" + repeated(" if 1", 40000) + " }}", "nested deeper"},
      {"a list that grows deeper",
       "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}",
       "nested deeper"},
      {"a namespace within itself", "{% set ns = namespace() %}{% set ns.x = [ns, ns, ns] %}{{ ns }}",
       "part of itself"},
      {"a huge indent", "{{ 'a\nb'|indent(10**12) }}", too_much},
      {"a huge indent of JSON", "{{ [[1]]|tojson(indent=10**12) }}", too_much},
      {"an indent for many lines", "{{ ('a\n' * 100000)|indent(100000) }}", too_much},
      {"a join", "{{ range(100000)|join('a' * 100000) }}", too_much},
      {"a replacement", "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}", too_much},
      {"a replacement of nothing", "{{ ('a' * 100000).replace('', 'b' * 100000) }}", too_much},
      {"a search", "{% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 ~ 'b' %}{{ b in a }}", too_much},
      {"a split", "{{ ('a' * 5000000).split('a')|length }}", too_much},
      {"a strip", "{% set a = 'ab' * 500000 %}{{ a.strip('b' * 500000 ~ 'a') }}", too_much},
      {"a large number", "{{ 10**10**10 }}", "64 bits"},
      {"a format", "{{ '{:1000000000}'.format(1) }}", "format takes"},
      {"a format doubled",
       "{% set ns = namespace(x='{}{}') %}{% for i in range(99) %}{% set ns.x = ns.x.format(ns.x, ns.x) %}{% endfor %}",
       ""},
      {"filters that call filters", "{{ 'a'|map(" + repeated("'map', ", 20000) + "'upper')|list }}", "too deeply"},
      {"the begin of a text",
       "{% set a = 'a' * 1000000 %}{% for i in range(100000) %}{% if a.startswith(a) %}{% endif %}{% endfor %}",
       too_much},
      {"a long key",
       "{% set a = 'a' * 1000000 %}{% set d = {a: 1} %}{% for i in range(100000) %}{% if d[a] %}{% endif %}{% endfor "
       "%}",
       too_much},
      {"the case of letters", "{{ ('a' * 5000000)|upper }}", too_much},
      {"white space", "{% set a = ' ' * 1000000 %}{% for i in range(100000) %}{% if a|trim %}{% endif %}{% endfor %}",
       too_much},
      {"words", "{% set a = 'a' * 1000000 %}{% for i in range(100000) %}{% if a.split() %}{% endif %}{% endfor %}",
       too_much},
      {"characters", "{% set a = 'a' * 1000000 %}{% for i in range(100000) %}{% if a[-1] %}{% endif %}{% endfor %}",
       too_much},
      {"sorting", "{{ ('ab' * 400000)|list|sort }}", too_much},
      {"many lists", "{% set x = [" + repeated("range(100000),", 1000) + "] %}", too_much},
      {"many variables",
       [] {
         std::string text;
         for (int i = 0; i < 17000; ++i) text += "{%set a" + std::to_string(i) + "=1%}";
         return text;
       }(),
       too_much},
      {"numbers that differ", "{{ range(100000)|unique|length }}", ""},
      {"keys that are numbers",
       "{% set ns = namespace(d={" + repeated("0.5: 1, 7: 1, none: 1,", 100) +
           "}) %}{% for i in range(100000) %}{% if i in ns.d %}{% endif %}{% endfor %}",
       ""},
      {"numbers of a dict",
       [] {
         std::string keys;
         for (int i = 0; i < 20000; ++i) keys += std::to_string(i) + ":0,";
         return "{% set d = {" + keys + "} %}{% for i in range(100000) %}{% if i in d %}{% endif %}{% endfor %}";
       }(),
       ""},
      {"a format of many names", "{{ ('{z}' * 100000).format(''" + many_arguments("1", true) + ", z=1) }}", too_much},
      {"a filter of many names", "{{ range(100000)|map('replace'" + many_arguments("1", false) + ")|list }}", ""},
      {"a comparison", "{% set a = range(100000)|list %}{% set b = [a] * 100 %}{{ b == [range(100000)|list] * 100 }}",
       too_much},
  };
}

/// Milliseconds of this thread that a template takes, the second best of three.
double time_of(std::string_view text) {
  std::array<double, 3> times{};
  for (double& each : times) {
    const auto now = [] {
      timespec time{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
      return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
    };
    const double begin = now();
    (void)complaint(text);
    each = now() - begin;
  }
  std::sort(times.begin(), times.end());
  return times[1];
}

TEST_CASE("bombs end in an error", "[bad-input]") {
  for (const Bomb& bomb : bombs()) {
    if (bomb.said.empty()) continue;
    INFO(bomb.name);
    CHECK_THAT(complaint(bomb.text).substr(0, 1000), Catch::Contains(bomb.said));
  }
}

TEST_CASE("no bomb takes long", "[bad-input]") {
  // Some 10 ms, on which most of the bombs spend the same budget.
  const double plain = time_of("{% for a in range(100000) %}{% for b in range(9) %}{% endfor %}{% endfor %}");
  for (const Bomb& bomb : bombs()) {
    const double taken = time_of(bomb.text);
    INFO(bomb.name << " takes " << taken << " ms, a plain loop " << plain);
    CHECK(taken < 5 * plain);
  }
}

TEST_CASE("what is said of a template is no longer than one can read", "[bad-input]") {
  const std::string name(100000, 'x');
  for (const std::string& text :
       {std::string("{{ raise_exception('é' * 1000000) }}"), "{% macro f() %}{% endmacro %}{{ f(" + name + "=1) }}"}) {
    const std::string said = complaint(text);
    CHECK(said.size() > 900);
    CHECK(said.size() < 1010);
    CHECK(is_utf8(said));
  }
}

TEST_CASE("a template that is too long is refused", "[bad-input]") {
  CHECK(complaint(std::string((256 << 10) + 1, 'a')).find("too long") != std::string::npos);
  CHECK(complaint(std::string(256 << 10, 'a')).empty());
}

TEST_CASE("long conversations have what they need", "[bad-input]") {
  std::string messages = R"([{"role": "user", "content": "x"})";
  for (int i = 0; i < 5000; ++i) messages += R"(,{"role": "user", "content": ")" + std::string(200, 'a') + "\"}";
  CHECK(rendered(chatml_template, messages + "]").value().size() > 1'000'000);
}

}  // namespace
}  // namespace troupe::testing
