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

/// The program of one shard, fused or not as the options say.
[[nodiscard]] Result<Program> program_of(const Checkpoint::Impl& checkpoint, const Graph& graph, const GraphNode& node,
                                         const LoadOptions& options, std::uint32_t context);

/// Ranks of the group that a shard is in.
[[nodiscard]] std::uint32_t ranks_of(const Graph& graph, const std::string& node);

/// Do two shards hold the same part of the model? Then they share its packed weights, as replicas do.
[[nodiscard]] bool same_part(const Graph& graph, const GraphNode& a, const GraphNode& b);

/// Slots and bytes of the channel of an edge.
struct ChannelSize {
  std::size_t slots, slot_bytes;
};
[[nodiscard]] ChannelSize channel_size(const ModelDescription& model, const Settings& settings, const GraphEdge& edge,
                                       std::size_t stages);

/// Does this edge need a channel? Logits that flow straight from a shard to the sampler do not: it samples them itself.
/// Nor does a hidden state that flows into a further rank of a group: the first one's is passed on to it.
[[nodiscard]] bool needs_channel(const Graph& graph, const GraphEdge& edge);

}  // namespace troupe::host
