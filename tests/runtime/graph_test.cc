#include "troupe/graph.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "runtime/plan/expert_balance.hpp"
#include "tests/runtime/plan_fixture.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

GraphNode& node(Graph& graph, const std::string& name) {
  const auto found =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const auto& n) { return n.name == name; });
  REQUIRE(found != graph.nodes.end());
  return *found;
}

}  // namespace

TEST_CASE("a node is put into an edge") {
  Graph graph = graph_of("dp2.pp2", smollm2());
  graph.insert(tap("a"), "r1.s0.t0:hidden", "r1.s1.t0:hidden");
  node(graph, "a").replica = 1;
  graph.insert(tap("b"), "r0.s1.t0:logits", "r0.sampler:logits");
  graph.insert(tap("c"), "b:out", "r0.sampler:logits");
  CHECK(problems(graph) == "none");
  const auto replicas = checked(graph, smollm2()).value();
  CHECK(replicas[0].host_actors.size() == 2);
  CHECK(replicas[1].host_actors.size() == 1);
  CHECK_THROWS_WITH(graph.insert(tap("d"), "r0.s0.t0:hidden", "r0.sampler:logits"),
                    Contains("no edge from r0.s0.t0:hidden"));
  CHECK_THAT(to_dot(graph), Contains("\"r0.s1.t0\" -> \"b\" [label=\"logits\"]"));
}

TEST_CASE("experts that a graph names, and what is wrong with them", "[bad-input]") {
  ModelDescription model = smollm2();
  for (LayerShape& layer : model.layers) layer.experts = 4;
  model.layers[0].experts = 0;
  model.experts.used = 2;
  Graph graph = graph_of("pp2.ep2", model);
  auto& first = graph.groups[0].experts;
  first = {{1, {{0, 3}, {1, 2, 3}}}, {4, {{0, 1, 2, 3}, {2}}}};
  CHECK(checked(graph, model).ok());
  const auto with = [&](std::vector<ExpertPlacement> experts) {
    first = std::move(experts);
    const auto found = checked(graph, model);
    return found ? "none" : found.error().message();
  };
  CHECK_THAT(with({{29, {{0, 1}, {2, 3}}}}), Contains("experts of layer 29: its shards do not have that layer"));
  CHECK_THAT(with({{4'000'000'000, {{0, 1}, {2, 3}}}}), Contains("do not have that layer"));
  CHECK_THAT(with({{2, {{0, 1}, {2, 3}}}, {2, {{0, 1}, {2, 3}}}}), Contains("layers must ascend"));
  CHECK_THAT(with({{0, {{0, 1}, {2, 3}}}}), Contains("the layer has none"));
  CHECK_THAT(with({{1, {{0, 1, 2, 3}}}}), Contains("a list for each of ep's 2 ranks, not 1"));
  CHECK_THAT(with({{1, {{0, 1, 2, 3}, {}}}}), Contains("rank 1 has none"));
  CHECK_THAT(with({{1, {{0, 1}, {2, 4}}}}), Contains("there is no expert 4, they end at 3"));
  CHECK_THAT(with({{1, {{0, 1, 1}, {2, 3}}}}), Contains("those of rank 0 must ascend"));
  CHECK_THAT(with({{1, {{0, 1}, {3}}}}), Contains("no rank has expert 2"));
}

TEST_CASE("a graph's experts in its file", "[bad-input]") {
  Graph graph;
  graph.groups.push_back({"g", {"a", "b"}, "memory", 1, 2, {{1, {{0, 3}, {1, 2}}}, {7, {{4}, {}}}}});
  const Graph read = parse_graph(to_toml(graph));
  REQUIRE(read.groups[0].experts.size() == 2);
  CHECK(read.groups[0].experts[0].ranks == graph.groups[0].experts[0].ranks);
  CHECK(read.groups[0].experts[1].layer == 7);
  CHECK(read.groups[0].experts[1].ranks == graph.groups[0].experts[1].ranks);
  const auto wrong = [](const std::string& experts) {
    const std::string toml = "[[group]]\nname = \"g\"\nnodes = []\n" + experts;
    try {
      (void)parse_graph(toml);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  CHECK_THAT(wrong("experts = 3"), Contains("line 4: write [[group.experts]] before each experts"));
  CHECK_THAT(wrong("[[group.experts]]\nlayer = 1"), Contains("\"ranks\" must be a list of experts for each rank"));
  CHECK_THAT(wrong("[[group.experts]]\nranks = [1, 2]"), Contains("line 5: \"ranks\" must be a list of experts"));
  CHECK_THAT(wrong("[[group.experts]]\nranks = [[1, -2]]"), Contains("an expert must be a whole number from 0"));
  CHECK_THAT(wrong("[[group.experts]]\nrank = 1"), Contains("unknown key \"rank\"; known are layer, ranks"));
}

namespace {

/// The most that a rank has to do, as a part of what each would have in even parts, where copies share out their rows.
double most_of(const ExpertPlacement& placement, const std::vector<std::uint64_t>& rows) {
  double most = 0, all = 0;
  const auto copies = [&](std::uint32_t e) {
    return std::count_if(placement.ranks.begin(), placement.ranks.end(),
                         [&](const auto& rank) { return std::find(rank.begin(), rank.end(), e) != rank.end(); });
  };
  for (const auto& rank : placement.ranks) {
    double mine = 0;
    for (const std::uint32_t e : rank) mine += static_cast<double>(rows[e]) / static_cast<double>(copies(e));
    most = std::max(most, mine);
    all += mine;
  }
  return most * static_cast<double>(placement.ranks.size()) / all;
}

}  // namespace

TEST_CASE("experts are dealt out by what they had to do") {
  Graph graph;
  graph.nodes.push_back({.name = "a", .kind = "shard", .layers = {2, 4}});
  graph.groups.push_back({"g", {"a", "b"}, "memory", 1, 2, {}});
  const std::vector<std::uint64_t> hot = {90, 1, 2, 3, 1, 1, 1, 1};
  CHECK(busiest_share(graph, {{1, hot}}) == 1.0);               // another stage's
  CHECK(busiest_share(graph, {{3, hot}}) == Approx(2 * 0.96));  // of 100 rows
  CHECK(busiest_share(graph, {{2, hot}, {3, {0, 0, 0, 0, 25, 25, 25, 25}}}) == Approx((96 + 100) / 100.0));
  graph.balance_experts({{1, hot}, {2, std::vector<std::uint64_t>(8)}, {3, hot}}, 1);
  REQUIRE(graph.groups[0].experts.size() == 1);  // 1 is another stage's, and nobody asked 2's
  const ExpertPlacement& placement = graph.groups[0].experts[0];
  CHECK(placement.layer == 3);
  for (const auto& rank : placement.ranks) CHECK(rank[0] == 0);
  CHECK(most_of(placement, hot) < 1.02);
  CHECK(busiest_share(graph, {{3, hot}}) == Approx(most_of(placement, hot)));
  graph.balance_experts({{3, {1, 1, 1, 1, 1, 1, 1, 90}}, {2, hot}}, 0);  // again, and without copies
  REQUIRE(graph.groups[0].experts.size() == 2);
  CHECK(graph.groups[0].experts[0].layer == 2);
  CHECK(graph.groups[0].experts[1].ranks == std::vector<std::vector<std::uint32_t>>{{4, 5, 6, 7}, {0, 1, 2, 3}});
}

TEST_CASE("however experts are dealt out, all are there, and no rank is idle or has more than its room") {
  ModelDescription model = smollm2();
  model.experts.used = 1;
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 200; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const std::uint32_t experts = 1 + random() % 40, ep = 1 + random() % std::min(experts, 8U), spare = random() % 4;
    for (LayerShape& layer : model.layers) layer.experts = experts;
    Graph graph = graph_of("ep" + std::to_string(ep), model);
    std::vector<ExpertLoad> load;
    for (std::uint32_t layer = 0; layer < model.layer_count(); ++layer) {
      ExpertLoad& mine = load.emplace_back(ExpertLoad{layer});
      for (std::uint32_t e = 0; e < experts; ++e)
        mine.rows.push_back(random() % 3 == 0 ? random() % 1000 : random() % 3);
    }
    graph.balance_experts(load, spare);
    const auto found = checked(graph, model);
    REQUIRE((found ? "none" : found.error().message()) == "none");
    for (const ExpertPlacement& placement : graph.groups[0].experts) {
      for (const auto& rank : placement.ranks) REQUIRE(rank.size() <= (experts + ep - 1) / ep + spare);
    }
  }
}

TEST_CASE("what is wrong with a graph is said before it is deployed", "[bad-input]") {
  Graph graph = graph_of("pp2.tp2", smollm2());
  REQUIRE(problems(graph) == "none");
  const auto edge_from = [&](const std::string& from) {
    return std::find_if(graph.edges.begin(), graph.edges.end(), [&](const GraphEdge& e) { return e.from == from; });
  };

  SECTION("an edge is missing") {
    graph.edges.erase(edge_from("r0.s0.t0:hidden"));
    CHECK_THAT(problems(graph),
               Contains("port r0.s0.t0:hidden is not joined") && Contains("port r0.s1.t0:hidden is not joined"));
  }
  SECTION("no edges at all") {
    graph.edges.clear();
    CHECK_THAT(problems(graph), Contains("r0.sampler:logits is not joined"));
  }
  SECTION("a cycle of actors") {
    graph.nodes.push_back(tap("a"));
    graph.nodes.push_back(tap("b"));
    graph.edges.push_back({"a:out", "b:in", "hidden"});
    graph.edges.push_back({"b:out", "a:in", "hidden"});
    CHECK_THAT(problems(graph), Contains("a cycle leads through a"));
  }
  SECTION("an actor that feeds itself") {
    graph.nodes.push_back(tap("a"));
    graph.edges.push_back({"a:out", "a:in", "logits"});
    CHECK_THAT(problems(graph), Contains("a cycle leads through a"));
  }
  SECTION("stages in a circle") {
    edge_from("r0.s0.t0:hidden")->to = "r0.s0.t0:hidden";
    CHECK_THAT(problems(graph), Contains("r0.s0.t0 has no input port \"hidden\""));
  }
  SECTION("another thing flows than the port takes") {
    edge_from("r0.s0.t0:hidden")->flows = "logits";
    CHECK_THAT(problems(graph), Contains("hidden flow there, not logits"));
  }
  SECTION("an actor turns one thing into another") {
    graph.insert(tap("a"), "r0.s0.t0:hidden", "r0.s1.t0:hidden");
    edge_from("a:out")->flows = "logits";
    CHECK_THAT(problems(graph), Contains("hidden flow there, not logits"));
  }
  SECTION("an actor takes one thing and gives another") {
    graph.insert(tap("a"), "r0.s0.t0:hidden", "r0.s1.t0:hidden");
    graph.insert(tap("b"), "r0.s1.t0:logits", "r0.sampler:logits");
    edge_from("r0.s0.t0:hidden")->to = "b:in";
    edge_from("r0.s1.t0:logits")->to = "a:in";
    CHECK_THAT(problems(graph), Contains("it must be the same"));
  }
  SECTION("tokens through an actor") {
    graph.nodes.push_back(tap("a"));
    edge_from("r0.sampler:tokens")->to = "a:in";
    graph.edges.push_back({"a:out", "r0.s0.t0:tokens", "tokens"});
    CHECK_THAT(problems(graph), Contains("takes hidden or logits, not tokens"));
  }
  SECTION("transports that nobody knows") {
    edge_from("r0.s0.t0:hidden")->via = "owl";
    graph.groups[1].via = "";
    graph.groups[0].via = "pigeon";
    CHECK_THAT(problems(graph),
               Contains("edge r0.s0.t0:hidden -> r0.s1.t0:hidden: transport \"owl\" is unknown; there are memory, "
                        "pigeon; group r0.s1: transport \"\" is unknown"));
  }
  SECTION("two nodes of one name") {
    graph.nodes.push_back(node(graph, "r0.s0.t0"));
    CHECK_THAT(problems(graph), Contains("two nodes are named \"r0.s0.t0\""));
  }
  SECTION("names that are none") {
    node(graph, "r0.s0.t0").name = "";
    node(graph, "r0.s0.t1").name = "a:b";
    node(graph, "r0.s1.t0").name = "a\nb";
    node(graph, "r0.s1.t1").name = std::string(257, 'n');
    CHECK_THAT(problems(graph), Contains("\"\" is no node name") && Contains("\"a:b\" is no node name") &&
                                    Contains("\"a\\x0ab\" is no node name") && Contains("nnn…\" is no node name"));
  }
  SECTION("an unknown kind") {
    graph.insert({.name = "a", .kind = "filter"}, "r0.s1.t0:logits", "r0.sampler:logits");
    CHECK_THAT(problems(graph), Contains("node a is of kind \"filter\"; known are"));
  }
  SECTION("an unknown device, and threads") {
    node(graph, "r0.s0.t0").device = "cuda:0";
    node(graph, "r0.s0.t1").threads = 0;
    node(graph, "r0.s1.t1").threads = 257;
    CHECK_THAT(problems(graph),
               Contains("\"cuda:0\" is unknown") && Contains("r0.s0.t1: threads") && Contains("r0.s1.t1: threads"));
  }
  SECTION("two edges into a port") {
    graph.edges.push_back({"r0.s0.t1:hidden", "r0.s1.t0:hidden", "hidden"});
    CHECK_THAT(problems(graph), Contains("port r0.s1.t0:hidden has 2 edges, not one"));
  }
  SECTION("logits to two places") {
    graph.nodes.push_back(tap("a"));
    graph.edges.push_back({"r0.s1.t0:logits", "a:in", "logits"});
    graph.edges.push_back({"a:out", "r0.sampler:logits", "logits"});
    CHECK_THAT(problems(graph), Contains("r0.s1.t0:logits has 2 edges") && Contains("r0.sampler:logits has 2 edges"));
  }
  SECTION("ends that are not there") {
    edge_from("r0.s0.t0:hidden")->to = "nobody:hidden";
    edge_from("r0.sampler:tokens")->from = "r0.s0.t1";
    CHECK_THAT(problems(graph), Contains("there is no node nobody") && Contains("r0.s0.t1 names no port"));
  }
  SECTION("a stage is passed over") {
    graph = graph_of("pp3", smollm2());
    edge_from("r0.s0.t0:hidden")->to = "r0.s2.t0:hidden";
    edge_from("r0.s1.t0:hidden")->to = "r0.s1.t0:hidden";
    CHECK_THAT(problems(graph), Contains("r0.s0.t0 flows into r0.s2.t0, which begins with layer"));
  }
  SECTION("from one replica to another") {
    graph = graph_of("dp2.pp2", smollm2());
    std::swap(edge_from("r0.s0.t0:hidden")->to, edge_from("r1.s0.t0:hidden")->to);
    CHECK_THAT(problems(graph), Contains("r0.s0.t0:hidden -> r1.s1.t0:hidden leads from one replica to another"));
  }
  SECTION("layers with a gap, and with an overlap") {
    for (const char* name : {"r0.s1.t0", "r0.s1.t1"}) ++node(graph, name).layers.first;
    CHECK_THAT(problems(graph), Contains("group r0.s1: its layers should begin at"));
    for (const char* name : {"r0.s1.t0", "r0.s1.t1"}) node(graph, name).layers.first -= 2;
    CHECK_THAT(problems(graph), Contains("group r0.s1: its layers should begin at"));
  }
  SECTION("layers that the model has not") {
    for (const char* name : {"r0.s1.t0", "r0.s1.t1"}) node(graph, name).layers.last = 31;
    CHECK(problems(graph) == "graph: replica 0: its layers end at 31, not at 30");
  }
  SECTION("leaves with a gap, and missing") {
    ++node(graph, "r0.s0.t1").attention.first;
    node(graph, "r0.s1.t1").ffn.last = 7;
    CHECK_THAT(problems(graph), Contains("its attention leaves should begin at") && Contains("end at 7, not at 8"));
  }
  SECTION("leaves that end before they begin") {
    graph = graph_of("tp3", smollm2());
    node(graph, "r0.s0.t0").attention = {0, 5};
    node(graph, "r0.s0.t1").attention = {5, 2};
    node(graph, "r0.s0.t2").attention = {2, 9};
    CHECK_THAT(problems(graph), Contains("shard r0.s0.t1: its attention leaves"));
  }
  SECTION("a vocabulary cut within a group of rows") {
    ++node(graph, "r0.s1.t0").vocabulary.last;
    ++node(graph, "r0.s1.t1").vocabulary.first;
    CHECK_THAT(problems(graph), Contains("must begin at a multiple of 16"));
  }
  SECTION("a vocabulary in the first stage") {
    node(graph, "r0.s0.t0").vocabulary = {0, 16};
    CHECK_THAT(problems(graph), Contains("r0.s0.t1: its vocabulary rows"));
  }
  SECTION("groups that are wrong") {
    graph.groups.push_back({"empty", {}});
    graph.groups[0].nodes.push_back("nobody");
    graph.groups[1].nodes.push_back("r0.s0.t0");
    CHECK_THAT(problems(graph), Contains("group empty is empty") && Contains("names nobody, which is no shard") &&
                                    Contains("r0.s0.t0 is in two groups") && Contains("has other layers"));
  }
  SECTION("a shard in no group") {
    graph.groups.pop_back();
    CHECK_THAT(problems(graph), Contains("shard r0.s1.t0 is in no group"));
  }
  SECTION("samplers too many and too few") {
    GraphNode second = node(graph, "r0.sampler");
    second.name = "another";
    graph.nodes.push_back(second);
    GraphNode far = node(graph, "r0.s0.t0");
    far.name = "far";
    far.replica = 1;
    graph.nodes.push_back(far);
    CHECK_THAT(problems(graph), Contains("replica 0 has two samplers") && Contains("replica 1 has no sampler"));
  }
  SECTION("a number without a replica") {
    for (GraphNode& each : graph.nodes) each.replica = 7;
    CHECK(problems(graph) == "graph: replicas are numbered from 0 on; there is a replica 7, but none 0");
  }
  SECTION("a replica beyond the limit") {
    node(graph, "r0.sampler").replica = 4'000'000'000;
    CHECK_THAT(problems(graph), Contains("beyond the limit of 128 replicas"));
  }
  SECTION("nothing") { CHECK_THAT(problems({}), Contains("it has no nodes")); }
  SECTION("an unknown version") {
    graph.version = 2;
    CHECK_THAT(problems(graph), Contains("version 2 is unknown; this build reads 1"));
  }
}

TEST_CASE("a group whose ranks are no grid, or that shares out experts which there are not, is refused",
          "[bad-input]") {
  const auto refused = [](std::uint32_t sp, std::uint32_t ep) {
    Graph graph = graph_of("sp2.tp2", smollm2());
    graph.groups[0].sp = sp;
    graph.groups[0].ep = ep;
    return checked(graph, smollm2()).error().message();
  };
  for (const auto& [sp, ep] : {std::pair{3U, 1U}, {0U, 1U}, {8U, 1U}, {1U << 31, 2U}}) {
    CHECK_THAT(refused(sp, ep), Contains("sp " + std::to_string(sp) + " times ep " + std::to_string(ep) +
                                         " must divide its nodes, which are 4"));
  }
  CHECK_THAT(refused(1, 2), Contains("ep is 2; the model has no experts to share out"));
  CHECK_THAT(refused(1, 1), Contains("its attention leaves should begin at 9"));

  Graph both = graph_of("cp2.tp2", smollm2());
  both.groups[0].sp = 2;
  CHECK_THAT(checked(both, smollm2()).error().message(), Contains("sp and cp both share out rows"));
  both.groups[0].sp = 1;
  both.groups[0].cp = 3;
  CHECK_THAT(checked(both, smollm2()).error().message(),
             Contains("cp 3 times ep 1 must divide its nodes, which are 4"));
  Graph deals = graph_of("pp2.cp2", smollm2());
  CHECK(checked(deals, smollm2()));
  deals.groups[1].cp = 1;
  deals.groups[1].sp = 2;
  CHECK_THAT(
      checked(deals, smollm2()).error().message(),
      Contains("group r0.s1: the positions of its KV cache are dealt out to 1 by cp and ep, those of group r0.s0 "
               "to 2; they must be as many"));
  Graph unlike = graph_of("sp2.tp2", smollm2());
  unlike.nodes[2].attention.last = unlike.nodes[3].attention.first = 3;
  CHECK_THAT(checked(unlike, smollm2()).error().message(),
             Contains("r0.s0.sp1.t0 has other leaves than r0.s0.sp0.t0, with which it shares out the rows"));
  Graph twins = graph_of("pp2.tp2", smollm2());
  twins.groups[1].name = twins.groups[0].name;
  CHECK_THAT(checked(twins, smollm2()).error().message(), Contains("two groups are named \"r0.s0\""));
}

TEST_CASE("layers and leaves bound the ranks, not a number") {
  for (const char* plan : {"pp30.tp8", "dp2.pp15.tp4", "dp120"}) {
    INFO(plan);
    CHECK(problems(graph_of(plan, smollm2())) == "none");
  }
}

TEST_CASE("fault 20: ranges that no model has are refused, on nodes of every kind", "[bad-input]") {
  constexpr std::uint32_t most = UINT32_MAX, half = 1U << 31;
  Graph whole = graph_of("pp2.tp2", smollm2());
  whole.insert(tap("tap"), "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  REQUIRE(problems(whole) == "none");
  for (const char* name : {"r0.s0.t0", "r0.s1.t1", "r0.sampler", "tap"}) {
    for (Range GraphNode::*range :
         {&GraphNode::layers, &GraphNode::attention, &GraphNode::ffn, &GraphNode::vocabulary}) {
      for (const Range odd : {Range{5, 3}, {most, 0}, {0, most}, {0, half}, {half, half + 1}, {most, most}, {7, 7}}) {
        INFO(name << " [" << odd.first << ", " << odd.last << "]");
        Graph graph = whole;
        node(graph, name).*range = odd;
        const std::string said = problems(graph);
        CHECK(said != "none");
        if (node(graph, name).kind != "shard") CHECK_THAT(said, Contains(name));
      }
    }
  }
  for (const std::uint32_t odd : {0U, 257U, half, most}) {
    Graph graph = whole;
    node(graph, "r0.s0.t0").threads = odd;
    CHECK_THAT(problems(graph), Contains("r0.s0.t0: threads must be between 1 and 256"));
    if (odd == 0) continue;
    node(graph, "tap").replica = odd;
    CHECK_THAT(problems(graph), Contains("beyond the limit of 128 replicas"));
  }
}

TEST_CASE("all that is wrong with a graph is said at once", "[bad-input]") {
  Graph graph = graph_of("pp2", smollm2());
  graph.version = 7;
  node(graph, "r0.s0.t0").device = "tpu";
  graph.nodes.push_back({.name = "a", .kind = "filter"});
  graph.groups.push_back({"more", {"nobody"}});
  graph.edges[0].to = "ghost:tokens";
  graph.edges.push_back({"r0.s0.t0:hidden", "r0.s1.t0:hidden", "hidden"});
  CHECK_THAT(problems(graph), Contains("version 7") && Contains("device \"tpu\"") && Contains("kind \"filter\"") &&
                                  Contains("names nobody") && Contains("no node ghost") && Contains("has 2 edges"));
}

TEST_CASE("what follows from something wrong does not bury it", "[bad-input]") {
  Graph graph = graph_of("pp2.tp2", smollm2());
  node(graph, "r0.s0.t1").kind = "shrad";
  CHECK(problems(graph) == "graph: node r0.s0.t1 is of kind \"shrad\"; known are shard, sampler, tap");
}

TEST_CASE("a graph of any size is checked in time", "[bad-input]") {
  Graph many;
  for (int i = 0; i < 100'000; ++i) many.nodes.push_back(tap("t" + std::to_string(i)));
  CHECK_THAT(problems(many), Contains("it has 100000 nodes; at most 256"));
  Graph wide = graph_of("pp2", smollm2());
  wide.edges.resize(100'000, wide.edges[0]);
  wide.groups.resize(1000);
  wide.groups[0].nodes.resize(1000, "r0.s0.t0");
  CHECK_THAT(problems(wide), Contains("100000 edges") && Contains("1000 groups") && Contains("nodes in its groups"));

  Graph chain = graph_of("pp2", smollm2());
  for (int i = 0; i < 250; ++i) {
    chain.insert(tap("t" + std::to_string(i)), i == 0 ? "r0.s0.t0:hidden" : "t" + std::to_string(i - 1) + ":out",
                 "r0.s1.t0:hidden");
  }
  CHECK(problems(chain) == "none");
  Graph wrong = chain;
  for (GraphNode& each : wrong.nodes) each.device = "x";
  CHECK_THAT(problems(wrong), Contains("; and 233 more"));
}

}  // namespace troupe::testing
