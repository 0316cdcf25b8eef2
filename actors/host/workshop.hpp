#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/host/checkpoint.hpp"
#include "actors/host/makers.hpp"
#include "actors/host/progress.hpp"
#include "actors/host/transports.hpp"
#include "actors/supervisor.hpp"
#include "runtime/deploy/blueprint.hpp"
#include "runtime/machine/core_ledger.hpp"
#include "runtime/memory/weight_store.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/program/sinks.hpp"
#include "runtime/tiers/packed_units.hpp"
#include "runtime/trace/trace.hpp"

namespace troupe::host {

/// One replica's threads at work, as made from an order.
struct MadeReplica {
  std::uint64_t epoch = 0;
  std::shared_ptr<const CoreLedger::Lease> cores;  ///< given back once the threads have ended
  std::vector<std::shared_ptr<ThreadExecutor>> executors;
  actors::ReplicaPlan plan;
  Blueprint blueprint{};
};

/// The one place that turns parts into executors. One thread at a time.
class Workshop {
 public:
  /// What it works with. `patience`: with silent peers.
  struct Tools {
    std::shared_ptr<const Checkpoint::Impl> checkpoint;
    Kinds kinds;
    std::shared_ptr<CoreLedger> cores;
    std::shared_ptr<WeightStore> store;
    std::chrono::nanoseconds patience;
    std::uint64_t memory_limit = 0;  ///< LoadOptions::memory_limit
    std::shared_ptr<LogitsSinks> sinks;
    std::shared_ptr<ExpertRows> expert_rows;
    std::vector<const transport::TransportKind*> transports;
    std::shared_ptr<trace::Trace> trace;  ///< null: nothing is recorded
    std::string weights_folder;           ///< LoadOptions::weights_folder
    std::shared_ptr<PrefetchCounts> prefetches;
  };

  explicit Workshop(Tools tools) : tools_(std::move(tools)), transports_(tools_.transports) {}

  /// An order for each replica of a graph, whose epochs are counted from 1. What is wrong with it is said of the whole.
  /// Any thread.
  [[nodiscard]] Result<std::vector<Order>> orders_of(const Graph& graph, const DeploySettings& settings) const;

  /// An order's blueprint and what its shards run. Its weights are in memory for as long as somebody has it.
  struct Plot {
    Blueprint blueprint;
    std::map<std::string, ShardGoods> goods;  ///< by shard
    std::vector<KvGroup> kv;                  ///< [groups of layers]
  };

  /// Draws orders and packs the weights that are not there yet. Every program is built first, so that nothing is packed
  /// for a graph that cannot be.
  [[nodiscard]] Result<std::vector<Plot>> prepare(const std::vector<Order>& orders, Progress& progress);

  /// Out of memory where replicas that are at work and one that is to come may need more than the limit.
  [[nodiscard]] Result<void> check_memory(const std::vector<const Blueprint*>& at_work, const Blueprint& to_come) const;

  /// Enters the threads of what has been prepared: see CoreLedger.
  [[nodiscard]] CoreLedger::Leases enter(const std::vector<Plot>& plots) const;

  /// Joins the parts of one replica by channels and groups, and starts a thread for each.
  [[nodiscard]] Result<MadeReplica> make(const Plot& plot, std::shared_ptr<const CoreLedger::Lease> cores);

 private:
  [[nodiscard]] Result<Workbench> bench_of(const Part& part, const ShardGoods* goods, const DeploySettings& settings,
                                           transport::WaitPolicy policy);
  [[nodiscard]] Result<std::vector<std::shared_ptr<const PackedUnits>>> pack_streams(
      std::span<const WantedWeights> shards, const Advanced& advanced) const;
  Result<void> start_parts(const Plot& plot, MadeReplica& made);

  const Tools tools_;
  Transports transports_;
};

/// The devices that a graph may name: see check_graph.
[[nodiscard]] KnownNames known_devices(const Checkpoint::Impl& checkpoint);

/// What the shards of a blueprint's replicas want, by name, by the weights budget of its settings.
[[nodiscard]] Result<std::map<std::string, WantedWeights>> shards_of(const Checkpoint::Impl& checkpoint,
                                                                     const NodeKinds& kinds,
                                                                     const Blueprint& blueprint);

/// The device of one shard that stands so among its stage's ranks, and its program: by that device's rules, or not
/// fused.
[[nodiscard]] Result<WantedWeights> shard_of(const Checkpoint::Impl& checkpoint, const GraphNode& shard,
                                             const RankGrid& ranks, const DeploySettings& settings);

}  // namespace troupe::host
