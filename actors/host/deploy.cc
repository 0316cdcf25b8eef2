#include "actors/host/deploy.hpp"

#include <new>

#include "actors/host/settings.hpp"

namespace troupe::host {
namespace {

/// An order for each replica. What is wrong with the graph is said of the whole.
Result<std::vector<Order>> orders_of(const Graph& graph, const DeploySettings& settings, const ModelDescription& model,
                                     const NodeKinds& kinds) {
  const auto whole = draw({0, graph, settings}, model, kinds);
  if (!whole) return whole.error();
  std::vector<Order> orders;
  for (std::uint32_t replica = 0; replica < whole->replicas.size(); ++replica) {
    orders.push_back({replica + 1, replica_of(graph, replica), settings});
  }
  return orders;
}

Result<Deployment> make_all(Deployment deployment, Progress& progress) {
  const auto plots = deployment.workshop->prepare(deployment.orders, progress);
  if (!plots) return plots.error();
  const CoreLedger::Leases cores = deployment.workshop->enter(*plots);
  for (std::size_t replica = 0; replica < plots->size(); ++replica) {
    auto made = deployment.workshop->make((*plots)[replica], cores[replica]);
    if (!made) return made.error();
    deployment.replicas.push_back(std::move(*made));
  }
  return deployment;
}

}  // namespace

Result<Deployment> deploy(const std::shared_ptr<const Checkpoint::Impl>& checkpoint, const Graph& graph,
                          const LoadOptions& options, const House& house, std::chrono::nanoseconds patience) {
  const auto settings = resolve(*checkpoint, options);
  if (!settings) return settings.error();
  auto orders = orders_of(graph, deploy_settings(*settings, options), checkpoint->model, house.kinds.nodes());
  if (!orders) return orders.error();
  Progress progress(options.progress);
  Deployment deployment;
  deployment.workshop =
      std::make_unique<Workshop>(Workshop::Tools{checkpoint, house.kinds, house.cores, house.store, patience});
  deployment.orders = std::move(*orders);
  auto made = make_all(std::move(deployment), progress);
  progress.rethrow();
  return made;
}

}  // namespace troupe::host
