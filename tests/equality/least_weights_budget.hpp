#pragma once

#include <cmath>

#include "actors/host/settings.hpp"
#include "actors/host/workshop.hpp"
#include "runtime/tiers/weights_budget.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {

/// The least that LoadOptions::weights_budget may be.
inline double least_weights_budget(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options) {
  const auto settings = host::deploy_settings(host::resolve(*checkpoint.impl(), options).value(), options);
  std::vector<WantedWeights> shards;
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers() || node.replica != 0) continue;
    shards.push_back(host::shard_of(*checkpoint.impl(), node, ranks_of(graph, node.name), settings).value());
  }
  const WeightsBudget budget = weights_budget(shards);
  return std::min(1.0, std::nextafter(static_cast<double>(budget.least) / static_cast<double>(budget.all), 2.0));
}

}  // namespace troupe::testing
