#include "actors/host/workshop.hpp"

#include <algorithm>
#include <new>
#include <system_error>

#include "actors/control.hpp"
#include "runtime/deploy/memory.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/machine/cpu_quota.hpp"
#include "runtime/program/fusion.hpp"
#include "runtime/tiers/weights_budget.hpp"

namespace troupe::host {
namespace {

/// Want of memory and threads as values.
template <class Make>
auto with_room(const Make& make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return Error(Code::out_of_memory,
                 "the graph's channels and tables do not fit the memory; a smaller chunk, context or "
                 "number of parallel sequences needs less");
  } catch (const std::system_error& thrown) {
    return Error(Code::failed, std::string("a thread of the graph cannot be started: ") + thrown.what());
  }
}

std::size_t threads_of(const Blueprint& blueprint) {
  std::size_t threads = 0;
  for (const Part& part : blueprint.parts) threads += part.node.holds_layers() ? part.node.threads : 0;
  return threads;
}

/// An actor of the host's that sees hidden states may make of each request's what it likes, and wants to see every row:
/// then no prefix is shared.
bool shares_prefixes(const Blueprint& blueprint) {
  const auto taps = [](const Part& part) {
    return !part.node.holds_layers() &&
           std::any_of(part.in.begin(), part.in.end(), [](auto& end) { return end.flows == "hidden"; });
  };
  return blueprint.settings.prefix_cache && std::none_of(blueprint.parts.begin(), blueprint.parts.end(), taps);
}

std::size_t streamed_bytes(std::span<const WantedWeights> shards) {
  std::size_t bytes = 0;
  for (const WantedWeights& shard : shards) bytes += shard.stream == nullptr ? 0 : shard.stream->bytes_on_disk();
  return bytes;
}

/// What a trace says of a part.
trace::Actor traced(const Part& part, std::uint64_t epoch, std::uint32_t stage) {
  const RankGrid& grid = part.group.ranks;
  return {part.node.name,   part.node.kind,      epoch, stage, grid.rank, grid.tp, grid.row_ranks(),
          part.node.layers, part.node.ffn.size()};
}

/// The next `count` of the cores that are left; none where there are fewer.
std::vector<int> take(std::vector<int>& cores, std::uint32_t count) {
  if (cores.size() < count) return {};
  std::vector<int> taken(cores.begin(), cores.begin() + count);
  cores.erase(cores.begin(), cores.begin() + count);
  return taken;
}

}  // namespace

Result<std::vector<Order>> Workshop::orders_of(const Graph& graph, const DeploySettings& settings) const {
  const auto whole = draw({0, graph, settings}, tools_.checkpoint->model, tools_.kinds.nodes(),
                          known_devices(*tools_.checkpoint), Transports(tools_.transports).known());
  if (!whole) return whole.error();
  std::vector<Order> orders;
  for (std::uint32_t replica = 0; replica < whole->replicas.size(); ++replica) {
    orders.push_back({replica + 1, replica_of(graph, replica), settings});
  }
  return orders;
}

Result<std::vector<Workshop::Plot>> Workshop::prepare(const std::vector<Order>& orders, Progress& progress) {
  const Checkpoint::Impl& checkpoint = *tools_.checkpoint;
  std::vector<Plot> plots;
  std::vector<WantedWeights> wanted;
  for (const Order& order : orders) {
    auto blueprint =
        draw(order, checkpoint.model, tools_.kinds.nodes(), known_devices(checkpoint), transports_.known());
    if (!blueprint) return blueprint.error();
    plots.push_back({std::move(*blueprint), {}, {}});
    KvDemand demand = kv_demand_of(checkpoint.model, plots.back().blueprint, plots.back().blueprint.replicas[0]);
    auto shards = shards_of(checkpoint, tools_.kinds.nodes(), plots.back().blueprint);
    if (!shards) return shards.error();
    for (const Part& part : plots.back().blueprint.parts) {
      const auto found = shards->find(part.node.name);
      if (found == shards->end()) continue;
      const WantedWeights& shard = found->second;
      add_shard(demand, kv_block_bytes(*shard.program));
      plots.back().goods[part.node.name] = {shard.device, shard.program, nullptr, shard.stream, nullptr};
      wanted.push_back(shard);
    }
    auto kv = cut_kv(demand, order.settings.kv_memory);
    if (!kv) return kv.error();
    plots.back().kv = std::move(*kv);
  }
  const std::size_t on_disk = streamed_bytes(wanted);
  const auto tell = [&](std::size_t done, std::size_t all) {
    return progress.tell(static_cast<double>(done) / static_cast<double>(all));
  };
  auto packed = pack_streams(wanted, [&](std::size_t done) { return tell(done, 2 * on_disk); });
  if (!packed) return packed.error();
  auto weights = tools_.store->load(tools_.checkpoint, wanted, busy_threads(), [&](std::size_t done, std::size_t all) {
    return on_disk == 0 ? tell(done, all) : tell(all + done, 2 * all);
  });
  if (!weights) return weights.error();
  for (std::size_t i = 0, plot = 0; plot < plots.size(); ++plot) {
    for (const Part& part : plots[plot].blueprint.parts) {
      const auto goods = plots[plot].goods.find(part.node.name);
      if (goods == plots[plot].goods.end()) continue;
      goods->second.packed = std::move((*packed)[i]);
      goods->second.weights = std::move((*weights)[i++]);
    }
  }
  return plots;
}

Result<std::vector<std::shared_ptr<const PackedUnits>>> Workshop::pack_streams(std::span<const WantedWeights> shards,
                                                                               const Advanced& advanced) const {
  std::vector<std::shared_ptr<const PackedUnits>> files(shards.size());
  std::map<std::shared_ptr<const StreamPlan>, std::shared_ptr<const PackedUnits>>
      made;  // shards that are alike share it
  std::size_t done = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (shards[i].stream == nullptr) continue;
    std::shared_ptr<const PackedUnits>& file = made[shards[i].stream];
    if (file == nullptr) {
      auto folder = tools_.weights_folder.empty() ? default_packed_folder() : tools_.weights_folder;
      if (!folder) return folder.error();
      auto packed = PackedUnits::find_or_make(*folder, shards[i], busy_threads(),
                                              [&](std::size_t bytes) { return advanced(done + bytes); });
      if (!packed) return packed.error();
      file = std::move(*packed);
    }
    done += shards[i].stream->bytes_on_disk();
    files[i] = file;
  }
  return files;
}

Result<void> Workshop::check_memory(const std::vector<const Blueprint*>& at_work, const Blueprint& to_come) const {
  if (tools_.memory_limit == 0) return {};
  const Checkpoint::Impl& checkpoint = *tools_.checkpoint;
  const DeploySettings& settings = to_come.settings;
  std::map<std::string, WantedWeights> shards;  // of the blueprint that is being counted
  MemoryOrder order{checkpoint.model, settings,
                    [&](const Part& part) -> Result<WantedWeights> { return shards.at(part.node.name); }};
  std::uint64_t promised = 0;
  for (const ActorMemory& shared : shared_memory(checkpoint, false)) promised += shared.total();
  std::vector<const Blueprint*> all = at_work;
  all.push_back(&to_come);
  for (const Blueprint* blueprint : all) {
    auto wanted = shards_of(checkpoint, tools_.kinds.nodes(), *blueprint);
    if (!wanted) return wanted.error();
    shards = std::move(*wanted);
    const auto parts = memory_of(*blueprint, tools_.kinds.nodes(), order);
    if (!parts) return parts.error();
    for (const ActorMemory& part : *parts) promised += part.total();
  }
  if (promised <= tools_.memory_limit) return {};
  return Error(Code::out_of_memory, "with one replica more the model needs up to " + std::to_string(promised) +
                                        " bytes, the limit is " + std::to_string(tools_.memory_limit));
}

CoreLedger::Leases Workshop::enter(const std::vector<Plot>& plots) const {
  std::vector<std::size_t> threads;
  for (const Plot& plot : plots) threads.push_back(threads_of(plot.blueprint));
  return tools_.cores->enter(threads, usable_cores(), cpu_quota());
}

Result<MadeReplica> Workshop::make(const Plot& plot, std::shared_ptr<const CoreLedger::Lease> cores) {
  return with_room([&]() -> Result<MadeReplica> {
    const DeploySettings& settings = plot.blueprint.settings;
    MadeReplica made;
    made.epoch = plot.blueprint.epoch;
    made.blueprint = plot.blueprint;
    made.cores = std::move(cores);
    made.plan.limits = {.stages = plot.blueprint.replicas[0].pipeline,
                        .rows = settings.rows,
                        .parallel = settings.parallel,
                        .context = settings.context,
                        .kv = plot.kv,
                        .prefix_cache = shares_prefixes(plot.blueprint)};
    made.plan.pool = make_pool(made.plan.limits);
    if (auto started = start_parts(plot, made); !started) return started.error();
    return made;
  });
}

Result<Workbench> Workshop::bench_of(const Part& part, const ShardGoods* goods, const DeploySettings& settings,
                                     transport::WaitPolicy policy) {
  Workbench bench{.model = tools_.checkpoint->model, .settings = settings, .policy = policy};
  for (const PartEnd& end : part.in) {
    auto receiver = transports_.make_receiver(end, policy);
    if (!receiver) return receiver.error();
    bench.in.push_back(std::move(*receiver));
  }
  for (const PartEnd& end : part.out) {
    auto sender = transports_.make_sender(end, policy);
    if (!sender) return sender.error();
    bench.out.push_back(std::move(*sender));
  }
  if (goods == nullptr) return bench;
  bench.goods = *goods;
  for (const ProgramGroup& group : goods->program->groups) {
    auto rank = transports_.make_rank(part.group, group, policy);
    if (!rank) return rank.error();
    bench.groups.push_back(std::move(*rank));
  }
  return bench;
}

Result<void> Workshop::start_parts(const Plot& plot, MadeReplica& made) {
  const Blueprint& blueprint = plot.blueprint;
  const auto activity = std::make_shared<transport::Activity>();
  std::vector<int> cores = made.cores->pinned();
  for (const auto& stage : blueprint.replicas[0].stages) {
    actors::Members& members = made.plan.stages.emplace_back();
    for (const std::uint32_t number : stage) {
      const Part& part = blueprint.parts[number];
      const auto found = plot.goods.find(part.node.name);
      const ShardGoods* const goods = found == plot.goods.end() ? nullptr : &found->second;
      auto bench = bench_of(part, goods, blueprint.settings, {.crowded = &made.cores->crowded()});
      if (!bench) return bench.error();
      bench->kv = plot.kv;
      bench->sinks = tools_.sinks;
      bench->expert_rows = tools_.expert_rows;
      bench->prefetches = tools_.prefetches;
      if (tools_.trace != nullptr) {
        const trace::Actor actor =
            traced(part, blueprint.epoch, static_cast<std::uint32_t>(made.plan.stages.size() - 1));
        const std::uint32_t threads = goods == nullptr ? 1 : part.node.threads;
        for (std::uint32_t i = 0; i < threads; ++i) bench->tracks.push_back(tools_.trace->add(actor, i));
      }
      const std::shared_ptr<trace::Track> track = bench->track();
      bench->deadline = {tools_.patience, activity.get(), track.get()};
      if (goods != nullptr) bench->cores = take(cores, part.node.threads);
      const int core = bench->cores.empty() ? -1 : bench->cores[0];
      auto runner = tools_.kinds.maker_of(part.node)(part, std::move(*bench));
      if (!runner) return runner.error();
      made.executors.push_back(std::make_shared<ThreadExecutor>(std::move(*runner), core, activity, this, track));
      members.push_back(made.executors.back());
    }
  }
  return {};
}

KnownNames known_devices(const Checkpoint::Impl& checkpoint) {
  return {[&](const std::string& name) { return open_device(checkpoint.devices, name, {}).ok(); },
          device_names(checkpoint.devices)};
}

Result<std::map<std::string, WantedWeights>> shards_of(const Checkpoint::Impl& checkpoint, const NodeKinds& kinds,
                                                       const Blueprint& blueprint) {
  std::map<std::string, WantedWeights> all;
  for (const ReplicaParts& replica : blueprint.replicas) {
    std::vector<std::string> names;
    std::vector<WantedWeights> shards;
    for (const auto& stage : replica.stages) {
      for (const std::uint32_t number : stage) {
        const Part& part = blueprint.parts[number];
        if (!kinds.is(part.node, Role::shard)) continue;
        auto shard = shard_of(checkpoint, part.node, part.group.ranks, blueprint.settings);
        if (!shard) return shard.error();
        names.push_back(part.node.name);
        shards.push_back(std::move(*shard));
      }
    }
    const DeploySettings& settings = blueprint.settings;
    auto planned = plan_streams(shards, settings.weights_budget, settings.experts_budget);
    if (!planned) return planned.error();
    for (std::size_t i = 0; i < shards.size(); ++i) all.emplace(std::move(names[i]), std::move(shards[i]));
  }
  return all;
}

Result<WantedWeights> shard_of(const Checkpoint::Impl& checkpoint, const GraphNode& shard, const RankGrid& ranks,
                               const DeploySettings& settings) {
  auto device = open_device(checkpoint.devices, shard.device, {settings.isa});
  if (!device) return device.error();
  ModelDescription model = checkpoint.model;
  model.context = settings.context;
  auto program = build_program(*checkpoint.architecture, checkpoint.file, model, shard, ranks, checkpoint.adapters);
  if (!program) return program.error();
  if (settings.fusion) {
    if (const auto fused = fuse(*program, (*device)->rules(), settings.fusion_rules); !fused) return fused.error();
  }
  if (const auto can = (*device)->check(*program); !can) return can.error();
  return WantedWeights{std::make_shared<const Program>(std::move(*program)), std::move(*device)};
}

}  // namespace troupe::host
