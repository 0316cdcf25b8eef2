#pragma once

#include "actors/host/workshop.hpp"
#include "runtime/tiers/weights_budget.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {

/// A tiny model whose only shard may have weights on disk.
struct StreamedModel {
  explicit StreamedModel(std::uint32_t layers) : StreamedModel(TinyModel{.layers = layers}) {}
  explicit StreamedModel(const TinyModel& model) : file(model.file()), checkpoint(Runtime().open(file.path())) {}

  [[nodiscard]] WantedWeights wanted() const {
    const Graph graph = checkpoint.expand({.threads = 1});
    return host::shard_of(*checkpoint.impl(), graph.nodes[0], {}, {.context = checkpoint.context()}).value();
  }
  /// By a share of its weights.
  [[nodiscard]] WantedWeights wanted(double share) const {
    std::vector<WantedWeights> shards{wanted()};
    plan_streams(shards, share).value();
    return shards[0];
  }

  /// With as much on disk as can be.
  [[nodiscard]] WantedWeights least() const {
    std::vector<WantedWeights> shards{wanted()};
    const WeightsBudget budget = weights_budget(shards);
    return wanted(static_cast<double>(budget.least) / static_cast<double>(budget.all) + 1e-9);
  }

  MemoryFile file;
  Checkpoint checkpoint;
};

}  // namespace troupe::testing
