#include "actors/host/deploy.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>

#include "actors/host/progress.hpp"
#include "actors/host/settings.hpp"
#include "kernels/floating_point.hpp"
#include "runtime/deploy/wiring.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/machine/cpu_quota.hpp"
#include "runtime/memory/kv_budget.hpp"
#include "runtime/program/node_runners.hpp"
#include "runtime/program/thrown.hpp"
#include "transport/memory/memory.hpp"

namespace troupe::host {
namespace {

/// What shards with the same shares have in common, replicas above all.
struct Packed {
  std::shared_ptr<const Device> device;
  std::shared_ptr<const Program> program;
  std::shared_ptr<const ShardWeights> weights;
};

class Deployer {
 public:
  Deployer(const Checkpoint::Impl& checkpoint, const Graph& graph, const LoadOptions& options, const ActorKinds& kinds,
           const Settings& settings, CoreLedger& cores, std::chrono::nanoseconds patience, Progress& progress)
      : checkpoint_(checkpoint),
        graph_(graph),
        options_(options),
        kinds_(kinds),
        settings_(settings),
        cores_(cores),
        patience_(patience),
        progress_(progress) {}

  Result<Deployment> run(const std::vector<ReplicaLayout>& replicas) {
    if (auto built = build_programs(); !built) return built.error();
    for (const ReplicaLayout& replica : replicas) {
      if (auto cut = cut_kv_of(replica); !cut) return cut.error();
    }
    if (auto packed = pack_all(); !packed) return packed.error();
    plan_threads();
    auto transport = transport::memory.open();
    if (!transport) return transport.error();
    transport_ = std::move(*transport);
    for (const ReplicaLayout& replica : replicas) {
      if (auto made = make_channels(replica); !made) return made.error();
    }
    for (const ReplicaLayout& replica : replicas) {
      if (auto started = start_replica(replica); !started) return started.error();
    }
    return std::move(deployment_);
  }

 private:
  /// Builds every program first, so that nothing is packed for a graph that cannot be.
  Result<void> build_programs() {
    std::vector<const GraphNode*> distinct;
    for (const GraphNode& node : graph_.nodes) {
      if (node.kind != "shard") continue;
      const auto twin = std::find_if(distinct.begin(), distinct.end(),
                                     [&](const GraphNode* other) { return same_part(graph_, *other, node); });
      if (twin != distinct.end()) {
        twin_[node.name] = (*twin)->name;
        continue;
      }
      auto program = program_of(checkpoint_, graph_, node, options_, settings_.context);
      if (!program) return program.error();
      auto device = device_of(checkpoint_, node, options_);
      if (!device) return device.error();
      packed_[node.name] = {std::move(*device), std::make_shared<const Program>(std::move(*program)), nullptr};
      twin_[node.name] = node.name;
      distinct.push_back(&node);
    }
    return {};
  }

  Result<void> cut_kv_of(const ReplicaLayout& replica) {
    KvDemand demand = kv_demand(checkpoint_.model, settings_.context, settings_.parallel, settings_.rows);
    for (const GraphGroup* stage : replica.stages) {
      for (const std::string& shard : stage->nodes) add_shard(demand, kv_block_bytes(*packed_[twin_[shard]].program));
    }
    auto groups = cut_kv(demand, options_.kv_memory);
    if (!groups) return groups.error();
    kv_.push_back(std::move(*groups));
    return {};
  }

  /// An actor of the host's that sees hidden states may make of each request's what it likes, and wants to see every
  /// row: then no prefix is shared.
  [[nodiscard]] bool shares_prefixes(const ReplicaLayout& replica) const {
    return options_.prefix_cache &&
           std::none_of(replica.host_actors.begin(), replica.host_actors.end(), [&](const GraphNode* actor) {
             return std::any_of(graph_.edges.begin(), graph_.edges.end(), [&](const GraphEdge& edge) {
               return edge.flows == "hidden" && split_end(edge.to).first == actor->name;
             });
           });
  }

  Result<void> pack_all() {
    std::size_t total = 0;
    for (const auto& [name, packed] : packed_) total += packed.device->weight_bytes(*packed.program);
    const std::uint32_t threads = busy_threads();
    std::size_t before = 0;
    for (auto& [name, packed] : packed_) {
      auto weights = packed.device->pack(*packed.program, threads, [&](std::size_t done) {
        return progress_.tell(static_cast<double>(before + done) / static_cast<double>(total));
      });
      if (!weights) return weights.error();
      packed.weights = std::move(*weights);
      before += packed.device->weight_bytes(*packed.program);
    }
    return {};
  }

  /// Threads that have this process's cores to themselves and fill them exactly are pinned, one to a core; where there
  /// are more threads than cores, who waits sleeps at once.
  void plan_threads() {
    std::size_t threads = 0;
    for (const GraphNode& node : graph_.nodes) threads += node.kind == "shard" ? node.threads : 0;
    deployment_.cores = cores_.enter(threads, usable_cores(), cpu_quota());
    if (deployment_.cores->crowded()) policy_.spins = 0;
    free_cores_ = deployment_.cores->pinned();
  }

  std::vector<int> take_cores(std::uint32_t count) {
    if (free_cores_.size() < count) return {};
    std::vector<int> taken(free_cores_.begin(), free_cores_.begin() + count);
    free_cores_.erase(free_cores_.begin(), free_cores_.begin() + count);
    return taken;
  }

  /// Both ends of every channel; whoever is started takes its own.
  Result<void> make_channels(const ReplicaLayout& replica) {
    for (const GraphEdge& edge : graph_.edges) {
      if (find_node(graph_, split_end(edge.to).first)->replica != replica.sampler->replica) continue;
      if (!needs_channel(graph_, edge)) continue;
      if (auto made = make_channel(edge, replica.stages.size()); !made) return made.error();
    }
    // The host's actors hear what is sampled, as the first stage does.
    for (const GraphNode* node : replica.host_actors) {
      const GraphEdge edge{replica.sampler->name + ":tokens", node->name + ":tokens", "tokens"};
      if (auto made = make_channel(edge, replica.stages.size()); !made) return made.error();
    }
    return {};
  }

  Result<void> make_channel(const GraphEdge& edge, std::size_t stages) {
    const ChannelSize size = channel_size(checkpoint_.model, settings_.rows, settings_.parallel, edge, stages);
    const transport::ChannelSpec spec{edge.to, size.slots, size.slot_bytes};  // one edge leads there
    auto sender = transport_->make_sender(spec, policy_);
    if (!sender) return sender.error();
    auto receiver = transport_->make_receiver(spec, policy_);
    if (!receiver) return receiver.error();
    outgoing_[split_end(edge.from).first].push_back(std::move(*sender));
    incoming_[split_end(edge.to).first].push_back(std::move(*receiver));
    return {};
  }

  /// A shard's end of its group; none where it is alone.
  Result<std::unique_ptr<transport::Communicator>> make_rank(const GraphGroup& group, std::size_t rank) {
    if (group.nodes.size() == 1) return {nullptr};
    const transport::GroupSpec spec{group.nodes[0], static_cast<int>(group.nodes.size())};  // it is in no other group
    return transport_->make_rank(spec, static_cast<int>(rank), policy_);
  }

  Result<void> start_replica(const ReplicaLayout& replica) {
    activity_ = std::make_shared<transport::Activity>();
    actors::ReplicaPlan plan;
    plan.limits = {.stages = static_cast<std::uint32_t>(replica.stages.size()),
                   .rows = settings_.rows,
                   .parallel = settings_.parallel,
                   .context = settings_.context,
                   .kv = kv_[replica.sampler->replica],
                   .prefix_cache = shares_prefixes(replica)};
    for (const GraphGroup* stage : replica.stages) {
      actors::Members members;
      for (std::size_t rank = 0; rank < stage->nodes.size(); ++rank) {
        auto communicator = make_rank(*stage, rank);
        if (!communicator) return communicator.error();
        auto started = start_shard(*find_node(graph_, stage->nodes[rank]), *replica.sampler, std::move(*communicator));
        if (!started) return started.error();
        members.push_back(*started);
      }
      plan.stages.push_back(std::move(members));
    }
    for (const GraphNode* node : replica.host_actors) {
      auto started = start_actor(*node);
      if (!started) return started.error();
      plan.stages.push_back({*started});
    }
    if (incoming_.contains(replica.sampler->name)) {
      plan.stages.push_back(
          {start(std::make_unique<SamplerRunner>(logits_end(*replica.sampler, replica.stages.back()->nodes[0]),
                                                 checkpoint_.model.vocabulary, settings_.rows,
                                                 std::move(incoming_[replica.sampler->name][0]), deadline()),
                 -1)});
    }
    deployment_.replicas.push_back(std::move(plan));
    return {};
  }

  Result<std::shared_ptr<Executor>> start_shard(const GraphNode& node, const GraphNode& sampler,
                                                std::unique_ptr<transport::Communicator> communicator) {
    const Packed& packed = packed_[twin_[node.name]];
    ShardParts parts;
    parts.program = packed.program;
    parts.weights = packed.weights;
    parts.rows = settings_.rows;
    parts.slots = settings_.parallel;
    parts.context = settings_.context;
    for (const KvGroup& group : kv_[node.replica]) parts.kv_blocks.push_back(group.blocks);
    parts.threads = node.threads;
    parts.policy = policy_;
    parts.deadline = deadline();
    parts.cores = take_cores(node.threads);
    if (communicator != nullptr) parts.groups.push_back(std::move(communicator));
    auto& in = incoming_[node.name];
    if (node.layers.first == 0) {
      parts.tokens = std::make_unique<TokenBoard>(settings_.parallel, std::move(in[0]));
    } else if (!in.empty()) {
      parts.hidden_in = std::move(in[0]);
    }
    auto& out = outgoing_[node.name];
    if (node.layers.last != checkpoint_.model.layer_count()) parts.hidden_out = std::move(out);
    if (node.layers.last == checkpoint_.model.layer_count() && node.vocabulary.first == 0) {
      if (out.empty()) parts.logits_end = std::make_unique<LogitsEnd>(logits_end(sampler, node.name));
      if (!out.empty()) parts.logits_out = std::move(out[0]);
    }
    const int core = parts.cores.empty() ? -1 : parts.cores[0];
    auto runner = packed.device->make_runner(std::move(parts));
    if (!runner) return runner.error();
    return start(std::move(*runner), core);
  }

  /// A host samples on its own processor.
  LogitsEnd logits_end(const GraphNode& sampler, const std::string& source) {
    const kernels::KernelTable* const wanted = kernels::find_table(options_.isa);
    return {wanted == nullptr ? *kernels::find_table() : *wanted, settings_.parallel, deployment_.sinks,
            std::move(outgoing_[sampler.name]), source};
  }

  transport::Deadline deadline() { return {patience_, activity_.get()}; }

  static std::string said(const GraphNode& node) { return "actor " + node.name + " (" + node.kind + "): its factory"; }

  /// The host's factory; what it throws is a value here.
  Result<std::unique_ptr<Actor>> make_actor(const GraphNode& node) {
    try {
      const kernels::HostFloatingPointScope floats;
      auto actor = kinds_.at(node.kind)(node.options);
      if (actor == nullptr) return Error(Code::failed, said(node) + " made none");
      return actor;
    } catch (...) {
      return error_of_thrown(said(node));
    }
  }

  Result<std::shared_ptr<Executor>> start_actor(const GraphNode& node) {
    const auto edge = std::find_if(graph_.edges.begin(), graph_.edges.end(),
                                   [&](const GraphEdge& e) { return e.to == node.name + ":in"; });
    const Flow flow = edge->flows == "hidden" ? Flow::hidden : Flow::logits;
    auto actor = make_actor(node);
    if (!actor) return actor.error();
    const std::size_t columns = flow == Flow::hidden ? checkpoint_.model.hidden : checkpoint_.model.vocabulary;
    return start(
        std::make_unique<ActorRunner>(node.name, std::move(*actor), flow, columns, settings_.rows,
                                      TokenBoard(settings_.parallel, std::move(incoming_[node.name][1])),
                                      std::move(incoming_[node.name][0]), std::move(outgoing_[node.name]), deadline()),
        -1);
  }

  std::shared_ptr<Executor> start(std::unique_ptr<StepRunner> runner, int core) {
    deployment_.executors.push_back(std::make_shared<ThreadExecutor>(std::move(runner), core, activity_));
    return deployment_.executors.back();
  }

  const Checkpoint::Impl& checkpoint_;
  const Graph& graph_;
  const LoadOptions& options_;
  const ActorKinds& kinds_;
  const Settings& settings_;
  CoreLedger& cores_;
  std::chrono::nanoseconds patience_;
  Progress& progress_;
  transport::WaitPolicy policy_;
  std::shared_ptr<transport::Activity> activity_;  ///< of the replica that is being started
  std::vector<int> free_cores_;
  std::vector<std::vector<KvGroup>> kv_;     ///< [replicas]
  std::map<std::string, Packed> packed_;     ///< by the first shard that has these shares
  std::map<std::string, std::string> twin_;  ///< shard -> that first shard
  std::unique_ptr<transport::Transport> transport_;
  std::map<std::string, std::vector<std::unique_ptr<transport::Sender>>> outgoing_;    ///< by node
  std::map<std::string, std::vector<std::unique_ptr<transport::Receiver>>> incoming_;  ///< by node
  Deployment deployment_;
};

}  // namespace

Result<std::shared_ptr<const Device>> device_of(const Checkpoint::Impl& checkpoint, const GraphNode& node,
                                                const LoadOptions& options) {
  return open_device(checkpoint.devices, node.device, {options.isa});
}

KnownDevices known_devices(const Checkpoint::Impl& checkpoint) {
  return {[&](const std::string& name) { return open_device(checkpoint.devices, name, {}).ok(); },
          device_names(checkpoint.devices)};
}

Result<Program> program_of(const Checkpoint::Impl& checkpoint, const Graph& graph, const GraphNode& node,
                           const LoadOptions& options, std::uint32_t context) {
  ModelDescription model = checkpoint.model;
  model.context = context;
  auto program = build_program(*checkpoint.architecture, checkpoint.file, model, node, ranks_of(graph, node.name));
  if (!program) return program;
  const auto device = device_of(checkpoint, node, options);
  if (!device) return device.error();
  if (options.fusion) fuse(*program, (*device)->rules());
  if (const auto can = (*device)->check(*program); !can) return can.error();
  return program;
}

Result<Deployment> deploy(const Checkpoint::Impl& checkpoint, const Graph& graph, const LoadOptions& options,
                          const ActorKinds& kinds, CoreLedger& cores, std::chrono::nanoseconds patience) {
  const auto settings = resolve(checkpoint, options);
  if (!settings) return settings.error();
  const auto replicas = check_graph(
      graph, checkpoint.model, [&](const std::string& kind) { return kinds.contains(kind); },
      known_devices(checkpoint));
  if (!replicas) return replicas.error();
  Progress progress(options.progress);
  auto deployment = [&]() -> Result<Deployment> {
    try {
      return Deployer(checkpoint, graph, options, kinds, *settings, cores, patience, progress).run(*replicas);
    } catch (const std::bad_alloc&) {
      return Error(Code::out_of_memory,
                   "the graph's channels and tables do not fit the memory; a smaller chunk, context or "
                   "number of parallel sequences needs less");
    } catch (const std::system_error& thrown) {
      return Error(Code::failed, std::string("a thread of the graph cannot be started: ") + thrown.what());
    }
  }();
  progress.rethrow();
  return deployment;
}

}  // namespace troupe::host
