#include "actors/host/deploy.hpp"

#include <new>
#include <system_error>
#include <utility>

#include "actors/host/settings.hpp"

namespace troupe::host {
namespace {

Result<Deployment> make_all(std::unique_ptr<Workshop> workshop, std::vector<Order> orders, Progress& progress) {
  const auto plots = workshop->prepare(orders, progress);
  if (!plots) return plots.error();
  const CoreLedger::Leases cores = workshop->enter(*plots);
  Deployment deployment;
  std::vector<MadeReplica> all;
  for (std::size_t replica = 0; replica < plots->size(); ++replica) {
    auto made = workshop->make((*plots)[replica], cores[replica]);
    if (!made) return made.error();
    deployment.replicas.push_back({std::move(orders[replica]), made->plan});
    all.push_back(std::move(*made));
  }
  try {
    deployment.builder = std::make_shared<ReplicaBuilder>(std::move(workshop), std::move(all));
  } catch (const std::system_error& thrown) {
    return Error(Code::failed, std::string("a thread of the model cannot be started: ") + thrown.what());
  }
  return deployment;
}

/// Whatever of it takes memory may find none.
Result<Deployment> make(const std::shared_ptr<const Checkpoint::Impl>& checkpoint, const Graph& graph,
                        const LoadOptions& options, const House& house, std::chrono::nanoseconds patience,
                        Progress& progress) {
  const auto settings = resolve(*checkpoint, options);
  if (!settings) return settings.error();
  const auto sinks = std::make_shared<LogitsSinks>();
  const auto expert_rows = std::make_shared<ExpertRows>(checkpoint->model);
  const auto prefetches = std::make_shared<PrefetchCounts>();
  const auto trace = options.trace_events == 0 ? nullptr : std::make_shared<trace::Trace>(options.trace_events);
  auto workshop = std::make_unique<Workshop>(
      Workshop::Tools{checkpoint, house.kinds, house.cores, house.store, patience, options.memory_limit, sinks,
                      expert_rows, house.transports, trace, options.weights_folder, prefetches});
  auto orders = workshop->orders_of(graph, deploy_settings(*settings, options));
  if (!orders) return orders.error();
  auto made = make_all(std::move(workshop), std::move(*orders), progress);
  if (!made) return made;
  made->sinks = sinks;
  made->expert_rows = expert_rows;
  made->prefetches = prefetches;
  made->trace = trace;
  made->prefix_weight = options.prefix_cache ? options.prefix_weight : 0.0F;
  return made;
}

}  // namespace

Result<Deployment> deploy(const std::shared_ptr<const Checkpoint::Impl>& checkpoint, const Graph& graph,
                          const LoadOptions& options, const House& house, std::chrono::nanoseconds patience) {
  Progress progress(options.progress);
  Result<Deployment> made = Error(Code::out_of_memory, "out of memory");  // so short that it takes none
  try {
    made = make(checkpoint, graph, options, house, patience, progress);
  } catch (const std::bad_alloc&) {
  }
  progress.rethrow();
  return made;
}

}  // namespace troupe::host
