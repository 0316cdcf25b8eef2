#include "runtime/plan/plan.hpp"

#include <catch2/catch.hpp>
#include <numeric>
#include <random>

#include "tests/runtime/plan_fixture.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using Shares = std::vector<std::uint32_t>;

Shares sizes(const std::vector<Range>& ranges) {
  Shares result;
  std::uint32_t next = 0;
  for (const Range& range : ranges) {
    REQUIRE(range.first == next);
    next = range.last;
    result.push_back(range.size());
  }
  return result;
}

double dearest(const std::vector<Range>& stages, std::uint32_t layers, StageCosts costs) {
  double most = 0;
  for (const Range& stage : stages) {
    most = std::max(most, costs.layer * stage.size() + (stage.last == layers ? costs.head : 0.0));
  }
  return most;
}

/// The cheapest dearest stage of all ways to cut what is left of the layers.
double cheapest(std::uint32_t first, std::uint32_t layers, std::size_t stages, StageCosts costs) {
  if (stages == 1) return costs.layer * (layers - first) + costs.head;
  double best = 1e300;
  for (auto cut = first + 1; cut + stages - 1 <= layers; ++cut) {
    best = std::min(best, std::max(costs.layer * (cut - first), cheapest(cut, layers, stages - 1, costs)));
  }
  return best;
}

std::string refusal(std::string_view plan) {
  const auto parsed = parse_plan(plan);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code() == Code::invalid_argument);
  CHECK(one_line(parsed.error().message()));
  return parsed.error().message();
}

std::string refusal(const std::string& plan, const ModelDescription& model) {
  const auto expanded = expand(parse_plan(plan).value(), model, {}, 1);
  REQUIRE_FALSE(expanded);
  CHECK(expanded.error().code() == Code::invalid_argument);
  CHECK(one_line(expanded.error().message()));
  return expanded.error().message();
}

}  // namespace

TEST_CASE("a plan is read in any order of its factors") {
  for (const char* text : {"dp2.pp2.tp2", "tp2.dp2.pp2", "pp2.tp2.dp2"}) {
    const Plan plan = parse_plan(text).value();
    CHECK(plan.dp == 2);
    CHECK(plan.pp == Shares{1, 1});
    CHECK(plan.tp == Shares{1, 1});
    CHECK(plan.ranks() == 8);
    CHECK(to_string(plan) == "dp2.pp2.tp2");
  }
  CHECK(parse_plan("tp2:1").value().tp == Shares{2, 1});
  CHECK(parse_plan("pp20:10").value().pp == Shares{20, 10});
  CHECK(parse_plan("pp3:3").value().pp == Shares{3, 3});
  CHECK(to_string(parse_plan("pp20:10.tp2:1:1").value()) == "pp20:10.tp2:1:1");
  CHECK(to_string(parse_plan("dp1.pp1").value()) == "tp1");
  CHECK(parse_plan("tp1").value().ranks() == 1);
}

TEST_CASE("a plan that is none gets one line that names the limit", "[bad-input]") {
  CHECK_THAT(refusal(""), Contains("empty"));
  for (const char* text :
       {"2", "p2", "pp2.", ".pp2", "pp2..tp2", "xx2", "PP2", "pp2 tp2", " pp2", "pp2,tp2", "up2", "tp1.5"}) {
    CHECK_THAT(refusal(text), Contains("dp, pp, sp, cp, ep and tp") || Contains("needs a number"));
  }
  for (const char* text : {"pp", "pp0", "tp2:0", "tp:1", "tp2:", "tp2::1", "tp-1", "tp+2", "tp2x", "tp1e3", "tp0x2",
                           "tp99999999999999999999", "tp4294967297", "pp1000001:1"}) {
    CHECK_THAT(refusal(text), Contains("from 1 to 1000000"));
  }
  for (const char* text : {"tp256", "pp256", "dp129", "dp16.tp16", "dp2.pp8.tp16", "tp1000000.pp1000000.dp1000000"}) {
    CHECK_THAT(refusal(text), Contains("the nodes of a graph, which are at most 256"));
  }
  CHECK_THAT(refusal("pp2.pp2"), Contains("twice"));
  for (const char* text : {"dp2:1", "sp2:1", "ep2:1"}) CHECK_THAT(refusal(text), Contains("uneven"));
  CHECK_THAT(refusal("pp2\ntp2"), Contains("\\x0a"));
  CHECK_THAT(refusal(std::string_view("pp2\0tp2", 7)), Contains("\\x00"));
  CHECK_THAT(refusal(std::string(1 << 20, 'p')), Contains("needs a number"));
  std::string shares = "tp1";
  while (shares.size() < 1 << 20) shares += ":1";
  CHECK_THAT(refusal(shares), Contains("the nodes of a graph, which are at most 256"));
}

TEST_CASE("random texts are plans or refused") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 20'000; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    std::string text(random() % 12, ' ');
    for (char& c : text) c = "dptse.:0123489\n"[random() % 15];
    const auto plan = parse_plan(text);
    if (!plan) {
      REQUIRE(one_line(plan.error().message()));
      continue;
    }
    REQUIRE(plan->ranks() >= 1);
    REQUIRE(plan->nodes() <= most_nodes);
    REQUIRE(to_string(parse_plan(to_string(*plan)).value()) == to_string(*plan));
  }
}

TEST_CASE("a plan that the model is too small for names what it has", "[bad-input]") {
  CHECK_THAT(refusal("pp4", tiny()), Contains("layers, which are 3; \"pp3\" would work"));
  CHECK_THAT(refusal("tp3", tiny()), Contains("leaves, which are 2"));
  CHECK_THAT(refusal("tp5", gemma3()), Contains("leaves, which are 4; \"tp4\" would work"));
  const ModelDescription few_tokens = model_of(3, 8, 8, 256, 20);
  CHECK_THAT(refusal("tp3", few_tokens), Contains("groups of rows, which are 2"));
  CHECK_THAT(refusal("sp2.tp2", few_tokens), Contains("groups of rows, which are 2; \"tp2\" would work"));
  CHECK_THAT(refusal("ep4", gemma3()), Contains("the model has none; \"sp4\" would work"));
  ModelDescription model = smollm2();
  for (LayerShape& layer : model.layers) layer.experts = 8;
  CHECK_THAT(refusal("ep16", model), Contains("experts, which are 8; \"ep8\" would work"));
  CHECK(expand(parse_plan("ep8").value(), model, {1.0, 8.0}, 1).ok());
}

TEST_CASE("shares are rounded by largest remainder, and nobody goes without") {
  CHECK(sizes(split_by_shares(18, {20, 10})) == Shares{12, 6});
  CHECK(sizes(split_by_shares(30, {20, 10})) == Shares{20, 10});
  CHECK(sizes(split_by_shares(10, {1, 1, 1})) == Shares{4, 3, 3});
  CHECK(sizes(split_by_shares(8, {2, 1})) == Shares{5, 3});
  CHECK(sizes(split_by_shares(9, {2, 1})) == Shares{6, 3});
  CHECK(sizes(split_by_shares(4, {1000000, 1})) == Shares{3, 1});
  CHECK(sizes(split_by_shares(3, {1000000, 1, 1})) == Shares{1, 1, 1});
  CHECK(sizes(split_by_shares(8, {1, 1, 1, 1, 1, 1, 1, 1000000})) == Shares(8, 1));
  CHECK(sizes(split_by_shares(4'000'000'000, {1000000, 1000000})) == Shares{2'000'000'000, 2'000'000'000});

  Random random(first_seed());
  for (int i = 0; i < 2000; ++i) {
    Shares shares(1 + random() % 8);
    for (std::uint32_t& share : shares) share = 1 + random() % (random() % 2 == 0 ? 5 : 1000);
    const auto units = static_cast<std::uint32_t>(shares.size() + random() % 100);
    const Shares got = sizes(split_by_shares(units, shares));
    REQUIRE(std::accumulate(got.begin(), got.end(), 0U) == units);
    const auto total = static_cast<double>(std::accumulate(shares.begin(), shares.end(), 0U));
    const bool lifted =
        std::any_of(shares.begin(), shares.end(), [&](auto share) { return units * share / total < 1; });
    for (std::size_t s = 0; s < shares.size(); ++s) {
      REQUIRE(got[s] >= 1);
      if (!lifted) REQUIRE(std::abs(got[s] - units * shares[s] / total) < 1.0);
    }
  }
}

TEST_CASE("stages are cut where the dearest is cheapest") {
  Random random(first_seed());
  for (int i = 0; i < 300; ++i) {
    const std::uint32_t layers = 1 + random() % 14;
    const std::size_t stages = 1 + random() % std::min(layers, 5U);
    const StageCosts costs{1 + random() % 100 / 10.0, random() % 1000 / 10.0};
    INFO(layers << " layers, " << stages << " stages, costs " << costs.layer << " and " << costs.head);
    const auto ranges = balance_stages(layers, stages, costs);
    REQUIRE(ranges.size() == stages);
    REQUIRE(ranges.back().last == layers);
    for (const std::uint32_t size : sizes(ranges)) REQUIRE(size >= 1);
    REQUIRE(dearest(ranges, layers, costs) == Approx(cheapest(0, layers, stages, costs)));
  }
}

/// Of the plans that are enumerated here; there may be more.
constexpr std::uint32_t max_ranks = 8;

TEST_CASE("every plan of the enumeration can be written, read and deployed") {
  const ModelDescription few_tokens = model_of(3, 8, 8, 256, 20);
  for (const ModelDescription& model : {smollm2(), gemma3(), tiny(), model_of(32, 32, 8, 5632, 32000), few_tokens}) {
    const auto plans = enumerate_plans(max_ranks, limits_of(model));
    std::size_t even = 0;
    for (const Plan& plan : plans) {
      INFO(to_string(plan));
      REQUIRE(plan.ranks() <= max_ranks);
      const Plan read = parse_plan(to_string(plan)).value();
      REQUIRE(to_string(read) == to_string(plan));
      even += read.pp == Shares(read.pp.size(), 1) && read.tp == Shares(read.tp.size(), 1) ? 1 : 0;
      const Graph graph = expand(plan, model, {1.0, 8.0}, 2).value();
      const auto replicas = checked(graph, model);
      REQUIRE((replicas ? "" : replicas.error().message()) == std::string());
      REQUIRE(replicas->size() == plan.dp);
      for (const ReplicaLayout& replica : *replicas) {
        REQUIRE(replica.stages.size() == plan.pp.size());
        REQUIRE(replica.sampler != nullptr);
        for (const GraphGroup* stage : replica.stages) REQUIRE(stage->nodes.size() == plan.stage_ranks());
      }
    }
    const PlanLimits limits = limits_of(model);
    std::size_t products = 0;
    for (std::uint32_t dp = 1; dp <= max_ranks; ++dp) {
      for (std::uint32_t rows = 1; dp * rows <= max_ranks; ++rows) {  // by sp, or by cp
        for (std::uint32_t pp = 1; pp <= limits.layers && dp * rows * pp <= max_ranks; ++pp) {
          const auto tps = std::min({limits.leaves, max_ranks / (dp * rows * pp), limits.vocabulary_parts / rows});
          products += tps * (rows == 1 ? 1 : 2);
        }
      }
    }
    CHECK(even >= products);
  }
}

TEST_CASE("fault 20: no plan of more ranks than there may be is listed, and no share that cannot be written") {
  const auto texts = [](std::uint32_t ranks, std::uint32_t layers, std::uint32_t leaves) {
    std::vector<std::string> all;
    for (const Plan& plan : enumerate_plans(ranks, {layers, leaves, 0, UINT32_MAX})) all.push_back(to_string(plan));
    return all;
  };
  CHECK(texts(0, 4, 8).empty());
  CHECK(texts(1, 4, 8) == std::vector<std::string>{"tp1"});
  const auto most = texts(most_nodes, 4, 8);
  for (const std::uint32_t ranks : {65536U, 1U << 31, UINT32_MAX}) CHECK(texts(ranks, 4, 8) == most);
  for (const std::string& text : texts(UINT32_MAX, UINT32_MAX, UINT32_MAX)) {
    INFO(text);
    CHECK(parse_plan(text).ok());
  }
}

TEST_CASE("a graph holds what its plan asks for") {
  const Graph even = graph_of("pp20:10.tp2:1", gemma3());
  CHECK(find_node(even, "r0.s0.t0")->layers == Range{0, 12});
  CHECK(find_node(even, "r0.s1.t1")->layers == Range{12, 18});
  CHECK(find_node(even, "r0.s0.t0")->attention == Range{0, 3});
  CHECK(find_node(even, "r0.s0.t1")->attention == Range{3, 4});
  CHECK(find_node(even, "r0.s0.t1")->vocabulary == Range{0, 0});
  CHECK(find_node(even, "r0.s1.t1")->vocabulary.last == 262144);
  CHECK(find_node(even, "r0.s1.t1")->vocabulary.first % 16 == 0);
  CHECK(find_node(even, "nobody") == nullptr);
}

}  // namespace troupe::testing
