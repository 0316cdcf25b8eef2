// A graph whose shards are on unlike devices.
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/table.hpp"
#include "tests/host/house.hpp"
#include "tests/host/tiny_model.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// The graph of a plan whose shards take turns on all of this processor's devices.
Graph mixed(const Checkpoint& checkpoint, const LoadOptions& options) {
  Graph graph = checkpoint.expand(options);
  std::size_t next = 0;
  for (GraphNode& node : graph.nodes) {
    if (node.kind != "shard") continue;
    node.device = "cpu:" + std::string(kernels::tables()[next++ % kernels::tables().size()]->name);
  }
  return graph;
}

TEST_CASE("devices: a graph that mixes them gives the same bits") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = Runtime().open(file.path());
  const std::vector<float> expected = logits_of_two_blocks(Runtime().load(checkpoint, {.threads = 1}));
  for (const char* plan : {"tp2", "pp2", "pp2.tp2", "dp2", "dp2.tp3:1", "tp4"}) {
    for (const bool fusion : {true, false}) {
      INFO(plan << (fusion ? ", fused" : ", plain"));
      const LoadOptions options{.plan = plan, .threads = 1, .chunk = 40, .fusion = fusion};
      const Model model = Runtime().load(checkpoint, mixed(checkpoint, options), options);
      for (int again = 0; again < 2; ++again) {  // on both replicas
        const auto got = logits_of_two_blocks(model);
        REQUIRE(got.size() == expected.size());
        CHECK(std::memcmp(got.data(), expected.data(), expected.size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("fusion: each rule alone gives the same bits, and one that there is not is refused") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = Runtime().open(file.path());
  const auto expected = logits_of_two_blocks(Runtime().load(checkpoint, {.threads = 1}));
  LoadOptions options{.plan = "tp2", .threads = 1, .chunk = 40};
  const Graph graph = checkpoint.expand(options);
  std::size_t fused = 0;
  for (const char* rule : {"norm-quantize", "one-product", "gate", "rope-append", "attention", "attention-quantize",
                           "leaves", "residual", "residual-norm", "residual-gather"}) {
    INFO(rule);
    options.fusion_rules = {rule};
    CHECK(logits_of_two_blocks(Runtime().load(checkpoint, graph, options)) == expected);
    fused += checkpoint.program(graph, "r0.s0.t0", options).find(std::string("fused by ") + rule) != std::string::npos;
  }
  CHECK(fused > 3);  // the others need another one's op, or a single rank
  options.fusion_rules = {"gate", "glue"};
  const Error error = error_of([&] { (void)Runtime().load(checkpoint, graph, options); });
  CHECK(error.code() == Code::invalid_argument);
  CHECK_THAT(error.message(), Contains("no fusion rule \"glue\"; there are norm-quantize, one-product"));
}

TEST_CASE("devices: what a graph mixes can be looked at, and the log says where it runs") {
  const MemoryFile file(TinyModel{}.file());
  std::string said;
  const Runtime runtime({.log = [&](LogLevel, std::string_view line) { said += std::string(line) + "\n"; }});
  const Checkpoint checkpoint = runtime.open(file.path());
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Graph graph = mixed(checkpoint, options);
  std::uint64_t weights = 0, mixed_weights = 0;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) weights += actor.weights;
  for (const ActorMemory& actor : checkpoint.memory(graph, options)) mixed_weights += actor.weights;
  CHECK(weights == mixed_weights);
  CHECK(checkpoint.program(graph, "r0.s0.t0", options) ==
        checkpoint.program(checkpoint.expand(options), "r0.s0.t0", options));
  (void)runtime.load(checkpoint, graph, options);
  for (const GraphNode& node : graph.nodes) {
    if (node.kind == "shard") CHECK_THAT(said, Contains(node.device));
  }
}

TEST_CASE("devices: a graph that names another is refused, with those that there are", "[bad-input]") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = Runtime().open(file.path());
  const LoadOptions options{.plan = "tp2", .threads = 1};
  Graph graph = checkpoint.expand(options);
  graph.nodes[1].device = "cpu:sse2";
  for (const Error& error : {error_of([&] { (void)Runtime().load(checkpoint, graph, options); }),
                             error_of([&] { (void)checkpoint.memory(graph, options); })}) {
    CHECK(error.code() == Code::invalid_argument);
    CHECK_THAT(error.message(),
               Contains("node r0.s0.t1: device \"cpu:sse2\" is unknown; there are cpu, cpu:reference"));
  }
}

}  // namespace
}  // namespace troupe::testing
