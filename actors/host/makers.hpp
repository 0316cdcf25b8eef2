#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/deploy/blueprint.hpp"
#include "runtime/device/device.hpp"
#include "runtime/memory/kv_pool.hpp"
#include "runtime/model/description.hpp"
#include "runtime/program/expert_rows.hpp"
#include "runtime/program/runner.hpp"
#include "runtime/program/sinks.hpp"
#include "runtime/program/weights.hpp"
#include "runtime/tiers/packed_units.hpp"
#include "runtime/trace/track.hpp"
#include "transport/channel/channel.hpp"
#include "transport/collective/communicator.hpp"
#include "transport/waiter.hpp"
#include "troupe/actor.hpp"

namespace troupe::host {

/// What a shard's executor is made from, beside its part.
struct ShardGoods {
  std::shared_ptr<const Device> device;
  std::shared_ptr<const Program> program;
  std::shared_ptr<const ShardWeights> weights;
  std::shared_ptr<const StreamPlan> stream{};   ///< or null: all weights are in memory
  std::shared_ptr<const PackedUnits> packed{};  ///< of the stream
};

/// What a maker finds when it makes one part's executor: the ends are its own.
struct Workbench {
  const ModelDescription& model;
  const DeploySettings& settings;
  transport::WaitPolicy policy;
  transport::Deadline deadline{};
  std::vector<std::unique_ptr<transport::Receiver>> in{};          ///< [Part::in]
  std::vector<std::unique_ptr<transport::Sender>> out{};           ///< [Part::out]
  std::vector<std::shared_ptr<transport::Communicator>> groups{};  ///< [Program::groups]
  std::vector<KvGroup> kv{};                                       ///< of the replica
  std::shared_ptr<const LogitsSinks> sinks{};
  std::shared_ptr<ExpertRows> expert_rows{};
  std::shared_ptr<PrefetchCounts> prefetches{};
  ShardGoods goods{};                                   ///< of a shard
  std::vector<int> cores{};                             ///< [threads] to pin to, or empty
  std::vector<std::shared_ptr<trace::Track>> tracks{};  ///< [threads], or empty

  /// Of the thread that runs the steps, or null.
  [[nodiscard]] std::shared_ptr<trace::Track> track() const { return tracks.empty() ? nullptr : tracks[0]; }
};

/// Turns a part into what runs its steps.
using Maker = std::function<Result<std::unique_ptr<StepRunner>>(const Part& part, Workbench bench)>;

[[nodiscard]] Result<std::unique_ptr<StepRunner>> make_shard(const Part& part, Workbench bench);
[[nodiscard]] Result<std::unique_ptr<StepRunner>> make_sampler(const Part& part, Workbench bench);

/// Of a host's actor, by the host's factory; what that throws is a value here.
[[nodiscard]] Maker maker_of(ActorFactory factory);

/// The kinds of node that a runtime knows, with their makers. Its host adds to them.
class Kinds {
 public:
  Kinds();
  void add_host_actor(const std::string& name, ActorFactory factory);

  [[nodiscard]] const NodeKinds& nodes() const { return nodes_; }
  [[nodiscard]] const Maker& maker_of(const GraphNode& node) const { return makers_.at(node.kind); }
  [[nodiscard]] Maker& maker(const std::string& kind) { return makers_.at(kind); }

 private:
  NodeKinds nodes_;
  std::map<std::string, Maker> makers_;
};

}  // namespace troupe::host
