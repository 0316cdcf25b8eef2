#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "tests/runtime/plan_fixture.hpp"

// What may lead into a group: one state, said once or several times over.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// pp2.tp2 whose second stage takes its state over these edges ("from to") alone, past taps named "a" to "d".
std::string problems_of(const std::vector<std::pair<std::string, std::string>>& edges) {
  Graph graph = graph_of("pp2.tp2", smollm2());
  std::erase_if(graph.edges, [](const GraphEdge& edge) { return edge.flows == "hidden"; });
  std::set<std::string> taps;
  for (const auto& [from, to] : edges) {
    const auto end = [&](const std::string& name, const char* tap_port) {
      if (name.size() > 1) return "r0." + name + ":hidden";
      taps.insert(name);
      return name + ":" + tap_port;
    };
    graph.edges.push_back({end(from, "out"), end(to, "in"), "hidden"});
  }
  for (const std::string& name : taps) graph.nodes.push_back(tap(name));
  return problems(graph);
}

}  // namespace

TEST_CASE("fault 7: a plan draws one hidden edge from stage to stage") {
  const Graph graph = graph_of("dp2.pp2.tp2", smollm2());
  std::vector<std::string> hidden;
  for (const GraphEdge& edge : graph.edges) {
    if (edge.flows == "hidden") hidden.push_back(edge.from + " -> " + edge.to);
  }
  CHECK(hidden == std::vector<std::string>{"r0.s0.t0:hidden -> r0.s1.t0:hidden", "r1.s0.t0:hidden -> r1.s1.t0:hidden"});
}

TEST_CASE("fault 7: one state may be said to a group several times") {
  CHECK(problems_of({{"s0.t0", "s1.t0"}}) == "none");
  CHECK(problems_of({{"s0.t0", "s1.t0"}, {"s0.t0", "s1.t1"}}) == "none");
  CHECK(problems_of({{"s0.t0", "s1.t0"}, {"s0.t1", "s1.t1"}}) == "none");
  CHECK(problems_of({{"s0.t1", "s1.t0"}, {"s0.t0", "s1.t1"}}) == "none");
  CHECK(problems_of({{"s0.t0", "a"}, {"a", "s1.t0"}}) == "none");
  CHECK(problems_of({{"s0.t0", "a"}, {"a", "b"}, {"b", "s1.t0"}, {"b", "s1.t1"}}) == "none");
}

TEST_CASE("fault 7: two states for one group are refused, with the group and both producers", "[bad-input]") {
  const auto refused = [](const std::vector<std::pair<std::string, std::string>>& edges, const std::string& first,
                          const std::string& other) {
    CHECK_THAT(problems_of(edges), Contains("group r0.s1 ") && Contains("r0.s1.t0 takes it from " + first + ",") &&
                                       Contains("r0.s1.t1 from " + other + ";") && Contains("unjoined"));
  };
  refused({{"s0.t0", "s1.t0"}, {"s0.t1", "a"}, {"a", "s1.t1"}}, "group r0.s0", "actor a");
  refused({{"s0.t0", "a"}, {"a", "s1.t0"}, {"s0.t1", "s1.t1"}}, "actor a", "group r0.s0");
  refused({{"s0.t0", "a"}, {"a", "s1.t0"}, {"s0.t1", "b"}, {"b", "s1.t1"}}, "actor a", "actor b");
  refused({{"s0.t0", "a"}, {"s0.t0", "b"}, {"a", "s1.t0"}, {"b", "s1.t1"}}, "actor a", "actor b");
  refused({{"s0.t0", "a"}, {"a", "b"}, {"a", "s1.t0"}, {"b", "s1.t1"}}, "actor a", "actor b");
  refused({{"s0.t0", "a"}, {"a", "b"}, {"b", "s1.t0"}, {"a", "s1.t1"}}, "actor b", "actor a");
  refused({{"s0.t0", "a"}, {"a", "c"}, {"c", "s1.t0"}, {"s0.t1", "b"}, {"b", "d"}, {"d", "s1.t1"}}, "actor c",
          "actor d");
}

TEST_CASE("fault 7: what a group lacks is said", "[bad-input]") {
  CHECK_THAT(problems_of({}), Contains("port r0.s0.t0:hidden is not joined") &&
                                  Contains("port r0.s1.t0:hidden is not joined") && !Contains("t1:hidden"));
  CHECK_THAT(problems_of({{"s0.t0", "s1.t1"}}), Contains("port r0.s1.t0:hidden is not joined"));
  CHECK_THAT(problems_of({{"s0.t1", "s1.t0"}}), Contains("port r0.s0.t0:hidden is not joined"));
  CHECK_THAT(problems_of({{"s0.t0", "s1.t0"}, {"s0.t1", "a"}}), Contains("port a:out is not joined"));
  CHECK_THAT(problems_of({{"s0.t0", "s1.t0"}, {"a", "s1.t1"}}), Contains("port a:in is not joined"));
  CHECK_THAT(problems_of({{"s0.t0", "s1.t0"}, {"a", "s1.t1"}, {"a", "a"}}), Contains("a cycle leads through "));

  Graph tokens = graph_of("tp2", smollm2());
  std::erase_if(tokens.edges, [](const GraphEdge& edge) { return edge.to == "r0.s0.t1:tokens"; });
  CHECK_THAT(problems(tokens), Contains("port r0.s0.t1:tokens is not joined"));
}

}  // namespace troupe::testing
