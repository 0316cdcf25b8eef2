// Whole plans on a device whose transfers are done later, by other threads, alone and beside the processor.
#include <catch2/catch.hpp>
#include <cstring>

#include "actors/host/open.hpp"
#include "tests/device/late_device.hpp"
#include "tests/host/tiny_model.hpp"
#include "tests/seed.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {
namespace {

Checkpoint open_with_late(const std::string& path) {
  plugins::Registry registry = plugins::builtin();
  registry.devices.push_back(&late_kind);
  registry.devices.push_back(&unawaited_kind);
  return Checkpoint(host::open_checkpoint(path, registry).value());
}

std::vector<float> all_logits(const Model& model) {
  std::vector<float> all;
  model.logits(
      model.checkpoint().tokenize("a text of some seventy tokens, so that there are two blocks of the cache in it."),
      true, [&](std::uint32_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); });
  return all;
}

/// The graph of a plan with every shard, or every second one, on such a device.
Graph graph_on(const Checkpoint& checkpoint, const LoadOptions& options, const std::string& device, bool mixed) {
  Graph graph = checkpoint.expand(options);
  bool turn = true;
  for (GraphNode& node : graph.nodes) {
    if (node.kind != "shard") continue;
    if (turn) node.device = device;
    turn = !mixed || !turn;
  }
  return graph;
}

TEST_CASE("late device: every plan has the processor's bits, alone and mixed with it") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = open_with_late(file.path());
  const std::vector<float> expected = all_logits(Runtime().load(checkpoint, {.threads = 1}));
  const std::uint64_t first = first_seed();
  for (std::uint64_t each = first; each < first + 3; ++each) {
    for (const char* plan : {"tp1", "pp2", "tp2", "tp3:1", "pp2.tp2", "dp2.tp2", "tp4"}) {
      for (const bool mixed : {false, true}) {
        INFO("late:" << each << " " << plan << (mixed ? " beside cpu" : ""));
        const LoadOptions options{.plan = plan, .threads = 1 + static_cast<std::uint32_t>(each % 2), .chunk = 40};
        const Graph graph = graph_on(checkpoint, options, "late:" + std::to_string(each), mixed);
        const auto got = all_logits(Runtime().load(checkpoint, graph, options));
        REQUIRE(got.size() == expected.size());
        CHECK(std::memcmp(got.data(), expected.data(), expected.size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("late device: an await that is missing is caught") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = open_with_late(file.path());
  const std::vector<float> expected = all_logits(Runtime().load(checkpoint, {.threads = 1}));
  const std::uint64_t first = first_seed();
  for (std::uint64_t each = first; each < first + 4; ++each) {
    INFO("unawaited:" << each);
    const LoadOptions options{.plan = "tp2", .threads = 1, .chunk = 40};
    const Model model =
        Runtime().load(checkpoint, graph_on(checkpoint, options, "unawaited:" + std::to_string(each), true), options);
    std::vector<float> got;
    try {
      got = all_logits(model);
    } catch (const Error&) {  // what was poisoned is beyond what sums may be
    }
    CHECK(got != expected);
  }
}

}  // namespace
}  // namespace troupe::testing
