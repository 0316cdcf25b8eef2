#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/host/checkpoint.hpp"
#include "actors/supervisor.hpp"
#include "runtime/machine/core_ledger.hpp"
#include "runtime/plan/check.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/program/sinks.hpp"
#include "troupe/actor.hpp"

namespace troupe::host {

using ActorKinds = std::map<std::string, ActorFactory>;

/// A graph whose threads run: what the actors hand their steps to.
struct Deployment {
  std::shared_ptr<const CoreLedger::Lease> cores;  ///< given back once the threads have ended
  std::vector<std::shared_ptr<ThreadExecutor>> executors;
  std::vector<actors::ReplicaPlan> replicas;
  std::shared_ptr<LogitsSinks> sinks = std::make_shared<LogitsSinks>();
};

/// Checks the graph, packs the weights, joins the nodes by channels and communicators, and starts a thread for each.
/// `cores`: on which the threads are entered. Throws what the host's `progress` has thrown, and that alone.
[[nodiscard]] Result<Deployment> deploy(const Checkpoint::Impl& checkpoint, const Graph& graph,
                                        const LoadOptions& options, const ActorKinds& kinds, CoreLedger& cores,
                                        std::chrono::nanoseconds patience = peer_patience);

/// The device of a node.
[[nodiscard]] Result<std::shared_ptr<const Device>> device_of(const Checkpoint::Impl& checkpoint, const GraphNode& node,
                                                              const LoadOptions& options);

/// For check_graph.
[[nodiscard]] KnownDevices known_devices(const Checkpoint::Impl& checkpoint);

/// The program of one shard, by the rules of its device or not fused, as the options say.
[[nodiscard]] Result<Program> program_of(const Checkpoint::Impl& checkpoint, const Graph& graph, const GraphNode& node,
                                         const LoadOptions& options, std::uint32_t context);

}  // namespace troupe::host
