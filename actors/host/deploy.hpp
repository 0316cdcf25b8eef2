#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "actors/host/checkpoint.hpp"
#include "actors/host/makers.hpp"
#include "actors/host/replica_builder.hpp"
#include "actors/supervisor.hpp"
#include "runtime/machine/core_ledger.hpp"
#include "runtime/memory/weight_store.hpp"
#include "runtime/program/sinks.hpp"
#include "troupe/runtime.hpp"

namespace troupe::host {

/// A graph whose threads run, replica by replica, and who makes more of it.
struct Deployment {
  std::vector<actors::Incarnation> replicas;
  std::shared_ptr<ReplicaBuilder> builder;
  std::shared_ptr<LogitsSinks> sinks;
  std::shared_ptr<const ExpertRows> expert_rows;
  std::shared_ptr<const PrefetchCounts> prefetches;
  std::shared_ptr<const trace::Trace> trace;  ///< null where nothing is recorded
  actors::RestartLimit limit{};
  float prefix_weight = 0.0F;  ///< see LoadOptions
};

/// What of a runtime its models share.
struct House {
  Kinds kinds;
  std::shared_ptr<CoreLedger> cores;
  std::shared_ptr<WeightStore> store;
  std::vector<const transport::TransportKind*> transports;
};

/// Checks the graph, packs the weights, joins the nodes by channels and communicators, and starts a thread for each.
/// Throws what the host's `progress` has thrown, and that alone.
[[nodiscard]] Result<Deployment> deploy(const std::shared_ptr<const Checkpoint::Impl>& checkpoint, const Graph& graph,
                                        const LoadOptions& options, const House& house,
                                        std::chrono::nanoseconds patience = peer_patience);

}  // namespace troupe::host
