#include "tests/host/house.hpp"
#include "tests/host/staged_graph.hpp"

namespace troupe::testing {
namespace {

/// Of each rank of a plan the KV cache when it is full, in KV heads of the whole model.
std::vector<double> kv_heads_of(const Checkpoint& checkpoint, const char* plan) {
  const auto kv_of = [&](const char* text) {
    std::vector<double> bytes;
    const LoadOptions options{.plan = text, .threads = 1};
    for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) {
      if (actor.kv_full > 0) bytes.push_back(static_cast<double>(actor.kv_full));
    }
    return bytes;
  };
  std::vector<double> heads = kv_of(plan);
  for (double& each : heads) each *= TinyModel::kv_heads / kv_of("tp1")[0];
  return heads;
}

}  // namespace

TEST_CASE(
    "sp: ranks share out the KV cache where there are heads enough, else each has all of it; cp: they share out its "
    "positions; the bits are the same") {
  struct Case {
    std::uint32_t heads;
    const char* plan;
    std::vector<double> kv_heads;
  };
  const Case cases[] = {
      {8, "sp2", {1, 1}},
      {8, "sp3", {1, 2, 1}},  // the middle one's heads read both
      {8, "sp2.tp2", {1, 1, 1, 1}},
      {8, "sp2.tp1:7", {1, 1, 1, 1}},  // one leaf, whose KV head both ranks have, beside seven that they share out
      {4, "sp4", {1, 1, 1, 1}},
      {4, "sp5", {2, 2, 2, 2, 2}},
      {8, "cp2", {1, 1}},
      {4, "cp4.tp2", {0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25}},
      {8, "pp2.cp2", {0.5, 0.5, 0.5, 0.5}},
  };
  Ids ids;
  for (TokenId id = 0; id < 100; ++id) ids.push_back(id * 7 % 250);
  for (const Case& one : cases) {
    TinyModel model;
    model.sizes.heads = one.heads;
    const MemoryFile file(model.file());
    const Runtime runtime;
    const Checkpoint checkpoint = runtime.open(file.path());
    INFO(one.heads << " heads, " << one.plan);
    const std::vector<double> found = kv_heads_of(checkpoint, one.plan);
    CHECK(found == one.kv_heads);
    const auto logits = [&](const char* plan) {
      return logits_of(runtime.load(checkpoint, {.plan = plan, .threads = 1, .chunk = 30}), ids);
    };
    CHECK(logits(one.plan) == logits("tp1"));
  }
}

}  // namespace troupe::testing
