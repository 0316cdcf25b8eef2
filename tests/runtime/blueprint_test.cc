#include "runtime/deploy/blueprint.hpp"

#include "tests/runtime/plan_fixture.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr std::uint32_t context = 512, rows = 64, parallel = 4;

Order order_of(Graph graph, std::uint64_t epoch = 7) {
  return {epoch, std::move(graph), {context, rows, parallel, true, 1U << 30, false, "reference"}};
}

Blueprint drawn(const Order& order, const ModelDescription& model = smollm2()) {
  return draw(order, model, kinds_with_tap(), only_cpu(), some_transports()).value();
}

const Part& part_of(const Blueprint& blueprint, const std::string& name) {
  for (const Part& part : blueprint.parts) {
    if (part.node.name == name) return part;
  }
  FAIL("there is no part " << name);
  return blueprint.parts[0];
}

/// Both ends of every channel, by its name.
std::map<std::string, std::pair<std::vector<PartEnd>, std::vector<PartEnd>>> channels_of(const Blueprint& blueprint) {
  std::map<std::string, std::pair<std::vector<PartEnd>, std::vector<PartEnd>>> channels;
  for (const Part& part : blueprint.parts) {
    for (const PartEnd& end : part.out) channels[end.channel].first.push_back(end);
    for (const PartEnd& end : part.in) channels[end.channel].second.push_back(end);
  }
  return channels;
}

}  // namespace

TEST_CASE("blueprint: every channel has one sender and one receiver, which agree, and the epoch is in its name") {
  for (const char* plan : {"tp1", "tp2", "pp2", "pp3.tp2", "dp2.pp2.tp2:1"}) {
    for (const bool tapped : {false, true}) {
      Graph graph = graph_of(plan, smollm2());
      const GraphEdge last = graph.edges.back();
      if (tapped) {
        graph.insert(tap("tap"), last.from, last.to);
        graph.nodes.back().replica = find_node(graph, split_end(last.to).first)->replica;
      }
      INFO(plan << (tapped ? ", tapped" : ""));
      const Blueprint blueprint = drawn(order_of(graph));
      CHECK_FALSE(channels_of(blueprint).empty());
      for (const auto& [name, ends] : channels_of(blueprint)) {
        INFO(name);
        CHECK(name.starts_with("7/"));
        REQUIRE(ends.first.size() == 1);
        REQUIRE(ends.second.size() == 1);
        CHECK(ends.first[0].slots == ends.second[0].slots);
        CHECK(ends.first[0].slot_bytes == ends.second[0].slot_bytes);
        CHECK(ends.first[0].slot_bytes > 0);
        CHECK(ends.first[0].flows == ends.second[0].flows);
      }
    }
  }
}

TEST_CASE("blueprint: a shard samples itself where no actor stands before the sampler") {
  Graph graph = graph_of("pp2", smollm2());
  const Blueprint plain = drawn(order_of(graph));
  CHECK(plain.parts.size() == 2);
  CHECK(plain.replicas[0].stages == std::vector<std::vector<std::uint32_t>>{{0}, {1}});
  CHECK(part_of(plain, "r0.s1.t0").source == "r0.s1.t0");
  REQUIRE(part_of(plain, "r0.s1.t0").out.size() == 1);
  CHECK(part_of(plain, "r0.s1.t0").out[0].flows == "tokens");

  graph.insert(tap("tap"), "r0.s1.t0:logits", "r0.sampler:logits");
  const Blueprint tapped = drawn(order_of(graph));
  CHECK(tapped.replicas[0].stages == std::vector<std::vector<std::uint32_t>>{{0}, {1}, {2}, {3}});
  CHECK(tapped.replicas[0].pipeline == 2);
  CHECK(part_of(tapped, "r0.s1.t0").source.empty());
  CHECK(part_of(tapped, "r0.sampler").source == "r0.s1.t0");
  CHECK(part_of(tapped, "r0.s1.t0").out[0].flows == "logits");
}

TEST_CASE("blueprint: ranks of a group, and sizes that follow from the settings") {
  const Blueprint blueprint = drawn(order_of(graph_of("pp2.tp2", smollm2())));
  const Part& second = part_of(blueprint, "r0.s1.t1");
  CHECK(second.group.name == "7/r0.s1");
  CHECK(second.group.ranks.rank == 1);
  CHECK(second.group.ranks.tp == 2);
  CHECK(second.in.empty());  // the first rank receives for all
  const PartEnd& hidden = part_of(blueprint, "r0.s1.t0").in[0];
  CHECK(hidden.slot_bytes == rows * smollm2().hidden * sizeof(float));
  const PartEnd& tokens = part_of(blueprint, "r0.s0.t1").in[0];
  CHECK(tokens.slot_bytes == (1 + 2 * parallel) * sizeof(std::int32_t));
}

TEST_CASE("blueprint: a replica's own part of a graph is drawn as the whole graph draws it") {
  const Graph graph = graph_of("dp2.pp2.tp2", smollm2());
  const Blueprint whole = drawn(order_of(graph));
  for (std::uint32_t replica = 0; replica < 2; ++replica) {
    const Graph own = replica_of(graph, replica);
    CHECK(problems(own) == "none");
    const Blueprint blueprint = drawn(order_of(own));
    REQUIRE(blueprint.replicas.size() == 1);
    REQUIRE(blueprint.parts.size() == 4);
    for (const Part& part : blueprint.parts) {
      CHECK(part.node.replica == 0);
      CHECK(part.node.layers == part_of(whole, part.node.name).node.layers);
      CHECK(part.in.size() == part_of(whole, part.node.name).in.size());
    }
    CHECK(to_toml(renamed(own, replica, 0)) == to_toml(replica_of(graph, 0)));
  }
}

TEST_CASE("a replica's graph has another's names where none of its own is taken by that") {
  const Graph graph = graph_of("pp2", smollm2());
  CHECK(renamed(graph, 0, 3).nodes[0].name == "r3.s0.t0");
  CHECK(to_toml(renamed(renamed(graph, 0, 3), 3, 0)) == to_toml(graph));
  Graph odd = graph;
  odd.nodes[1].name = "r3.tap";
  CHECK(to_toml(renamed(odd, 0, 3)) == to_toml(odd));
  CHECK(to_toml(renamed(odd, 3, 0)) == to_toml(odd));
  CHECK(renamed(odd, 0, 4).nodes[0].name == "r4.s0.t0");
}

TEST_CASE("an order becomes text and comes back the same, and draws the same") {
  Graph graph = graph_of("dp2.pp2.tp2", smollm2());
  graph.insert(tap("a tap"), "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  graph.nodes.back().options = {{"path", "/tmp/\"odd\"\nname"}};
  Order order = order_of(graph, 1234567890123456789U);
  order.settings.weights_budget = 0.4;
  order.settings.experts_budget = 1.0 / 3;
  const std::string text = to_text(order);
  const Order back = order_from(text).value();
  CHECK(back.epoch == order.epoch);
  CHECK(back.settings == order.settings);
  CHECK(to_text(back) == text);
  CHECK(drawn(back).parts.size() == drawn(order).parts.size());
}

TEST_CASE("what is no order says so in one line, and nothing of it is used unchecked", "[bad-input]") {
  const std::string whole = to_text(order_of(graph_of("pp2", smollm2())));
  const auto refusal = [](const std::string& text) {
    const auto order = order_from(text);
    REQUIRE_FALSE(order);
    CHECK(order.error().code() == Code::invalid_argument);
    CHECK(one_line(order.error().message()));
    return order.error().message();
  };
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
  };
  CHECK_THAT(refusal(to_toml(graph_of("pp2", smollm2()))), Contains("[settings]"));
  CHECK_THAT(refusal(with("rows = 64", "rows = 0")), Contains("rows"));
  CHECK_THAT(refusal(with("rows = 64", "rows = 64\nrwos = 64")), Contains("unknown key"));
  CHECK_THAT(refusal(with("fusion = true", "fusion = 1")), Contains("fusion"));
  CHECK_THAT(refusal(with("fusion_rules = []", "fusion_rules = [ 1 ]")), Contains("a list of texts"));
  for (const char* share : {"0.0", "-0.5", "1.5", "nan", "true"}) {
    const std::string budget = std::string("weights_budget = ") + share;
    CHECK_THAT(refusal(with("weights_budget = 1.0", budget)), Contains("weights_budget") && Contains("at most 1"));
  }
  CHECK_THAT(refusal(with("epoch = '7'", "epoch = 7")), Contains("epoch"));
  CHECK_THAT(refusal(with("epoch = '7'", "epoch = \"-7\"")), Contains("epoch"));
  CHECK_THAT(refusal(with("epoch = '7'", "epoch = \"99999999999999999999\"")), Contains("epoch"));
  CHECK_THAT(refusal("[[["), Contains("line 1"));
  CHECK_FALSE(draw(order_from(with("layers = [ 0,", "layers = [ 1,")).value(), smollm2(), kinds_with_tap(), only_cpu(),
                   some_transports()));
}

}  // namespace troupe::testing
