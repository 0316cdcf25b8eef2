#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/locale.hpp"
#include "tests/runtime/plan_fixture.hpp"
#include "troupe/graph.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// Whether every line is what the writer meant: its quotation marks close, and nothing controls a terminal.
bool well_formed(const std::string& dot) {
  bool inside = false;
  for (std::size_t i = 0; i < dot.size(); ++i) {
    const auto byte = static_cast<unsigned char>(dot[i]);
    if (byte == 0x7F || (byte < 0x20 && (byte != '\n' || inside))) return false;
    if (inside && dot[i] == '\\') {
      ++i;  // what is escaped ends nothing
    } else if (dot[i] == '"') {
      inside = !inside;
    }
  }
  return !inside;
}

Graph with_names(const std::string& name, const std::string& kind, const std::string& group) {
  Graph graph = graph_of("pp2.tp2", smollm2());
  graph.insert({.name = name, .kind = kind}, "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  graph.groups[0].name = group;
  return graph;
}

}  // namespace

TEST_CASE("fault 19: names, kinds and groups are escaped in DOT") {
  const std::string dot = to_dot(with_names("a\"b", "c\\d", "e\nf"));
  CHECK(well_formed(dot));
  CHECK_THAT(dot, Contains(R"("a\"b" [label="a\"b\nc\\d"];)"));
  CHECK_THAT(dot, Contains(R"(subgraph "cluster_e\nf" {)") && Contains(R"(label="e\nf";)"));
  CHECK_THAT(dot, Contains(R"("r0.s0.t0" -> "a\"b" [label="hidden"])"));
  CHECK_THAT(dot, Contains(R"("a\"b" -> "r0.s1.t0" [label="hidden"])"));
  CHECK_THAT(to_dot(with_names("naïve €", "\xF0\x9F\x98\x80", "\xC3\xA9")),
             Contains("naïve €\\n\xF0\x9F\x98\x80") && Contains("label=\"\xC3\xA9\""));
  CHECK_THAT(to_dot(with_names("\x1b[31m", "tap", "\x7f")), Contains(R"(\\x1b[31m)") && Contains(R"(label="\\x7f")"));
  CHECK_THAT(to_dot(with_names("\xC2\x9B", "\xFF", "g")), Contains(R"(\\xc2\\x9b\n\\xff)"));

  for (const char* odd : {"\"", "\\", "\\\"", "a\\", "\n", "\r\n", "\t", "\"];\n}\n", "\xC2", ":\":"}) {
    for (const auto& graph : {with_names(odd, "tap", "g"), with_names("a", odd, "g"), with_names("a", "tap", odd)}) {
      INFO(odd);
      CHECK(well_formed(to_dot(graph)));
    }
    Graph flows = graph_of("pp2", smollm2());
    flows.edges[0].flows = odd;
    flows.edges[1].to = odd;
    flows.edges[0].via = flows.groups[0].via = odd;
    CHECK(well_formed(to_dot(flows)));
  }
}

TEST_CASE("a drawing says which edges and groups are not of memory") {
  Graph graph = graph_of("pp2", smollm2());
  CHECK_THAT(to_dot(graph), !Contains("via"));
  graph.edges[1].via = "a\"b";
  graph.groups[1].via = "pigeon";
  CHECK_THAT(to_dot(graph), Contains(R"([label="hidden\nvia a\"b"])") && Contains(R"(label="r0.s1\nvia pigeon";)"));
}

TEST_CASE("fault 19: names that would break a line are refused by the check, and by no one before", "[bad-input]") {
  for (const char* odd : {"a\nb", "\x1b[31m", "\xFF", "\xC2\x9B", "a\"b", "a\\b"}) {
    const Graph graph = with_names(odd, "tap", "g");
    CHECK_THAT(problems(graph), Contains("is no node name"));
    CHECK_NOTHROW(to_toml(graph));
  }
  Graph graph = graph_of("pp2", smollm2());
  try {
    graph.insert(tap("a"), "x\ny", "z");
    FAIL("there is no such edge");
  } catch (const Error& error) {
    CHECK(one_line(error.message()));
  }
}

TEST_CASE("fault 19: a graph reads the same under any locale of the host") {
  Graph graph = graph_of("dp2.pp2.tp2", gemma3());
  graph.nodes[0].threads = 1234567;
  const std::string dot = to_dot(graph), toml = to_toml(graph);
  CHECK_THAT(dot, Contains("vocabulary 0-131071"));
  const ForeignLocale foreign;
  CHECK(to_dot(graph) == dot);
  CHECK(to_toml(graph) == toml);
  CHECK(to_toml(parse_graph(toml)) == toml);
  CHECK_THAT(problems(graph, gemma3()), Contains("between 1 and 256"));
  try {
    (void)parse_graph("version = 1234.5");
    FAIL("that is no version");
  } catch (const Error& error) {
    CHECK_THAT(error.message(), Contains("from 1 to 2147483647"));
  }
}

TEST_CASE("fault 20: a graph with ranges that end before they begin can be drawn") {
  Graph graph = graph_of("pp2", smollm2());
  for (GraphNode& node : graph.nodes) node.layers = node.vocabulary = {5, 3};
  CHECK_THAT(to_dot(graph), !Contains("layers 5"));
  for (GraphNode& node : graph.nodes) node.layers = {3, 4'000'000'000}, node.attention = {0, 0};
  CHECK_THAT(to_dot(graph), Contains("layers 3-3999999999") && !Contains("4294967295"));
}

}  // namespace troupe::testing
