#pragma once

#include <cmath>
#include <vector>

#include "actors/host/settings.hpp"
#include "actors/host/workshop.hpp"
#include "runtime/tiers/weights_budget.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {

/// Of a graph's first replica.
inline std::vector<WantedWeights> shards_of(const Checkpoint& checkpoint, const Graph& graph,
                                            const LoadOptions& options) {
  const auto settings = host::deploy_settings(host::resolve(*checkpoint.impl(), options).value(), options);
  std::vector<WantedWeights> shards;
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers() || node.replica != 0) continue;
    shards.push_back(host::shard_of(*checkpoint.impl(), node, ranks_of(graph, node.name), settings).value());
  }
  return shards;
}

/// The least that LoadOptions::weights_budget may be.
inline double least_weights_budget(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options) {
  const WeightsBudget budget = weights_budget(shards_of(checkpoint, graph, options));
  return std::min(1.0, std::nextafter(static_cast<double>(budget.least) / static_cast<double>(budget.all), 2.0));
}

/// The least that LoadOptions::experts_budget may be, in hundredths.
inline double least_experts_budget(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options) {
  auto shards = shards_of(checkpoint, graph, options);
  int percent = 1;
  while (percent < 100 && !plan_streams(shards, 1, percent / 100.0)) ++percent;
  return percent / 100.0;
}

}  // namespace troupe::testing
