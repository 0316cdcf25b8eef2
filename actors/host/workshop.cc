#include "actors/host/workshop.hpp"

#include <algorithm>
#include <new>
#include <system_error>

#include "runtime/machine/cores.hpp"
#include "runtime/machine/cpu_quota.hpp"
#include "runtime/program/fusion.hpp"

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
  for (const Part& part : blueprint.parts) threads += part.node.layers == Range{} ? 0 : part.node.threads;
  return threads;
}

/// The next `count` of the cores that are left; none where there are fewer.
std::vector<int> take(std::vector<int>& cores, std::uint32_t count) {
  if (cores.size() < count) return {};
  std::vector<int> taken(cores.begin(), cores.begin() + count);
  cores.erase(cores.begin(), cores.begin() + count);
  return taken;
}

}  // namespace

/// The channels and groups of one replica, by name.
class Workshop::Joints {
 public:
  explicit Joints(transport::WaitPolicy policy) : policy_(policy) {}

  std::vector<std::shared_ptr<transport::Channel>> channels(const std::vector<PartEnd>& ends) {
    std::vector<std::shared_ptr<transport::Channel>> all;
    for (const PartEnd& end : ends) {
      auto& channel = channels_[end.channel];
      if (channel == nullptr) channel = transport::make_in_process_channel(end.slots, end.slot_bytes, policy_);
      all.push_back(channel);
    }
    return all;
  }

  std::shared_ptr<transport::Communicator> rank(const PartGroup& group) {
    if (group.size == 1) return nullptr;
    auto& ranks = groups_[group.name];
    if (ranks.empty()) {
      for (auto& end : transport::make_in_process_group(static_cast<int>(group.size), policy_)) {
        ranks.push_back(std::move(end));
      }
    }
    return ranks[group.rank];
  }

 private:
  transport::WaitPolicy policy_;
  std::map<std::string, std::shared_ptr<transport::Channel>> channels_;
  std::map<std::string, std::vector<std::shared_ptr<transport::Communicator>>> groups_;
};

Result<Program> Workshop::program_of_part(const Part& part, const DeploySettings& settings) const {
  return program_of(*tools_.checkpoint, part.node, part.group.size, settings.fusion, settings.context);
}

Result<std::vector<Workshop::Plot>> Workshop::prepare(const std::vector<Order>& orders, Progress& progress) {
  std::vector<Plot> plots;
  std::vector<std::shared_ptr<const Program>> programs;
  for (const Order& order : orders) {
    auto blueprint = draw(order, tools_.checkpoint->model, tools_.kinds.nodes());
    if (!blueprint) return blueprint.error();
    plots.push_back({std::move(*blueprint), {}});
    for (const Part& part : plots.back().blueprint.parts) {
      if (!tools_.kinds.nodes().is(part.node, Role::shard)) continue;
      auto program = program_of_part(part, order.settings);
      if (!program) return program.error();
      programs.push_back(std::make_shared<const Program>(std::move(*program)));
      plots.back().goods[part.node.name].program = programs.back();
    }
  }
  auto weights =
      tools_.store->load(tools_.checkpoint->bytes, programs, busy_threads(), [&](std::size_t done, std::size_t all) {
        return progress.tell(static_cast<double>(done) / static_cast<double>(all));
      });
  if (!weights) return weights.error();
  auto next = weights->begin();
  for (Plot& plot : plots) {
    for (const Part& part : plot.blueprint.parts) {
      if (const auto goods = plot.goods.find(part.node.name); goods != plot.goods.end()) {
        goods->second.weights = std::move(*next++);
      }
    }
  }
  return plots;
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
    made.cores = std::move(cores);
    made.plan.limits = {.stages = plot.blueprint.replicas[0].pipeline,
                        .rows = settings.rows,
                        .parallel = settings.parallel,
                        .context = settings.context};
    if (auto started = start_parts(plot, made); !started) return started.error();
    return made;
  });
}

Result<void> Workshop::start_parts(const Plot& plot, MadeReplica& made) {
  const Blueprint& blueprint = plot.blueprint;
  const kernels::KernelTable* const kernels = kernels::find_table(blueprint.settings.isa);
  if (kernels == nullptr) return Error(Code::invalid_argument, "isa " + blueprint.settings.isa + " cannot run here");
  const transport::WaitPolicy policy{.crowded = &made.cores->crowded()};
  const auto activity = std::make_shared<transport::Activity>();
  std::vector<int> cores = made.cores->pinned();
  Joints joints(policy);
  for (const auto& stage : blueprint.replicas[0].stages) {
    actors::Members& members = made.plan.stages.emplace_back();
    for (const std::uint32_t number : stage) {
      const Part& part = blueprint.parts[number];
      Workbench bench{.model = tools_.checkpoint->model,
                      .settings = blueprint.settings,
                      .kernels = *kernels,
                      .policy = policy,
                      .deadline = {tools_.patience, activity.get()},
                      .in = joints.channels(part.in),
                      .out = joints.channels(part.out),
                      .group = joints.rank(part.group)};
      if (const auto goods = plot.goods.find(part.node.name); goods != plot.goods.end()) {
        bench.goods = goods->second;
        bench.cores = take(cores, part.node.threads);
      }
      const int core = bench.cores.empty() ? -1 : bench.cores[0];
      auto runner = tools_.kinds.maker_of(part.node)(part, std::move(bench));
      if (!runner) return runner.error();
      made.executors.push_back(std::make_shared<ThreadExecutor>(std::move(*runner), core, activity, this));
      members.push_back(made.executors.back());
    }
  }
  return {};
}

Result<Program> program_of(const Checkpoint::Impl& checkpoint, const GraphNode& shard, std::uint32_t ranks, bool fusion,
                           std::uint32_t context) {
  ModelDescription model = checkpoint.model;
  model.context = context;
  auto program = build_program(*checkpoint.architecture, checkpoint.file, model, shard, ranks);
  if (program && fusion) fuse(*program);
  return program;
}

}  // namespace troupe::host
