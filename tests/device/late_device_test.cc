// Whole plans on a device whose transfers are done later, by other threads, alone and beside the processor.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>

#include <sys/wait.h>
#include <unistd.h>

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
  registry.devices.push_back(&unordered_kind);
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
    for (const char* plan : {"tp1", "pp2", "tp2", "tp3:1", "pp2.tp2", "dp2.tp2", "tp4", "sp2", "pp2.sp2.tp2"}) {
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

/// What comes of a plan on a device that forgets something, beside the processor.
std::vector<float> logits_on(const Checkpoint& checkpoint, const std::string& plan, const std::string& device) {
  const LoadOptions options{.plan = plan, .threads = 1, .chunk = 40};
  const Model model = Runtime().load(checkpoint, graph_on(checkpoint, options, device, true), options);
  try {
    return all_logits(model);
  } catch (const Error&) {  // what was poisoned is beyond what sums may be
    return {};
  }
}

TEST_CASE("late device: an await that is missing is caught") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = open_with_late(file.path());
  const std::vector<float> expected = all_logits(Runtime().load(checkpoint, {.threads = 1}));
  const std::uint64_t first = first_seed();
  for (std::uint64_t each = first; each < first + 4; ++each) {
    INFO("unawaited:" << each);
    CHECK(logits_on(checkpoint, "tp2", "unawaited:" + std::to_string(each)) != expected);
  }
}

TEST_CASE("late device: an order that is missing between copies and ops is caught") {
  const MemoryFile file(TinyModel{}.file());
  const Checkpoint checkpoint = open_with_late(file.path());
  const std::vector<float> expected = all_logits(Runtime().load(checkpoint, {.threads = 1}));
  const std::uint64_t first = first_seed();
  for (std::uint64_t each = first; each < first + 4; ++each) {
    for (const char* plan : {"tp1", "pp2"}) {
      INFO("unordered:" << each << " " << plan);
      CHECK(logits_on(checkpoint, plan, "unordered:" + std::to_string(each)) != expected);
    }
  }
}

TEST_CASE("late device: whoever looks at its weights faults") {
  const std::vector<float> ones(64, 1.0F);
  Weight weight{"ones", Weight::Use::vector, {}};
  weight.source.tensor = reinterpret_cast<const std::byte*>(ones.data());
  weight.source.tensor_columns = weight.source.leaf_columns = 64;
  const auto device = late_kind.open("1", {}).value();
  const auto pieces = device->pack({&weight}, 1, [](std::size_t) { return true; }).value();
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    (void)signal(SIGSEGV, SIG_DFL);
    const volatile float looked = *pieces[0]->weight().vector;
    _exit(looked == 1.0F ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}

}  // namespace
}  // namespace troupe::testing
