#include "runtime/memory/weight_store.hpp"

#include "actors/host/workshop.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Programs = std::vector<WantedWeights>;
using Loaded = std::vector<std::shared_ptr<const ShardWeights>>;

Programs programs_of(const Checkpoint& checkpoint, const char* plan) {
  Programs programs;
  const Graph graph = checkpoint.expand({.plan = plan, .threads = 1});
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers()) continue;
    const RankGrid ranks = ranks_of(graph, node.name);
    programs.push_back(host::shard_of(*checkpoint.impl(), node, ranks, {.context = checkpoint.context()}).value());
  }
  return programs;
}

Loaded load(WeightStore& store, const Checkpoint& checkpoint, const Programs& programs, std::size_t& packed) {
  packed = 0;
  return store
      .load(checkpoint.impl(), programs, 1,
            [&](std::size_t done, std::size_t all) {
              packed = all == 1 ? 0 : done;
              return true;
            })
      .value();
}

std::uint64_t bytes_of(const Checkpoint& checkpoint, const char* plan) {
  std::uint64_t bytes = 0;
  const LoadOptions options{.plan = plan, .threads = 1};
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) bytes += actor.weights;
  return bytes;
}

}  // namespace

TEST_CASE("weights: a piece is packed once, for replicas, for later builds and for other models") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  WeightStore store;
  std::size_t packed = 0;
  const Loaded first = load(store, checkpoint, programs_of(checkpoint, "dp2.pp2"), packed);
  CHECK(packed == bytes_of(checkpoint, "pp2"));  // that of one replica
  CHECK(store.bytes() == packed);
  for (std::size_t i = 0; i < first[0]->pieces.size(); ++i) CHECK(first[0]->pieces[i] == first[2]->pieces[i]);

  const Loaded again = load(store, checkpoint, programs_of(checkpoint, "pp2"), packed);
  CHECK(packed == 0);
  const Loaded moved = load(store, checkpoint, programs_of(checkpoint, "pp3:1"), packed);  // the layers cut elsewhere
  CHECK(packed == 0);
  const Loaded halves = load(store, checkpoint, programs_of(checkpoint, "tp2"), packed);
  CHECK(packed > 0);
  CHECK(packed < bytes_of(checkpoint, "tp2"));  // norms are whole in every rank, and are there
}

TEST_CASE("weights: what nobody holds any more is gone, and is packed again when it is asked for") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  WeightStore store;
  std::size_t packed = 0;
  Loaded held = load(store, checkpoint, programs_of(checkpoint, "pp2"), packed);
  held.pop_back();
  CHECK(store.bytes() > 0);
  CHECK(store.bytes() < packed);
  held.clear();
  CHECK(store.bytes() == 0);
  const std::size_t before = packed;
  held = load(store, checkpoint, programs_of(checkpoint, "pp2"), packed);
  CHECK(packed == before);
}

TEST_CASE("weights: a piece keeps the file that it looks into") {
  auto checkpoint = std::make_unique<Checkpoint>(Runtime().open(tiny_path()));
  const std::weak_ptr<const FileBytes> file = checkpoint->impl()->files.front();
  WeightStore store;
  std::size_t packed = 0;
  Loaded held = load(store, *checkpoint, programs_of(*checkpoint, "tp1"), packed);
  checkpoint.reset();
  CHECK_FALSE(file.expired());
  held.clear();
  CHECK(file.expired());
}

TEST_CASE("weights: models of one runtime on the same checkpoint share them") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  std::size_t calls = 0;
  const LoadOptions options{.threads = 1, .progress = [&](double) { ++calls; }};
  const Model first = runtime.load(checkpoint, options);
  CHECK(calls > 1);
  calls = 0;
  const Model second = runtime.load(checkpoint, options);
  CHECK(calls == 1);  // it is done at once
  CHECK(continued(first, {1, 2, 3}, 8) == continued(second, {1, 2, 3}, 8));
}

}  // namespace troupe::testing
