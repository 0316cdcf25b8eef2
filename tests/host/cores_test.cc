#include <sched.h>

#include "actors/host/deploy.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/machine/cpu_quota.hpp"
#include "tests/host/few_cores.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

/// Cores that the thread which ends a step may run on.
std::size_t cores_of(const Model& model) {
  std::size_t count = 0;
  model.logits({1, 2, 3}, false, [&](std::uint32_t, std::span<const float>) { count = usable_cores().size(); });
  return count;
}

}  // namespace

TEST_CASE("fault 17: the default number of threads is what the cores and the quota allow") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  for (const auto& [plan, ranks] : {std::pair("", 1U), std::pair("pp2", 2U), std::pair("dp2.pp2.tp2", 8U)}) {
    const Graph graph = checkpoint.expand({.plan = plan});
    CHECK(graph.nodes[0].threads == std::max(1U, busy_threads() / ranks));
  }
}

TEST_CASE("fault 18: a second model that would fill the cores leaves them to the first") {
  const FewCores few;
  const auto cores = static_cast<std::uint32_t>(usable_cores().size());
  if (cores < 2 || cpu_quota() < 2) {
    WARN("skipped: with one core nothing shows");
    return;
  }
  Runtime runtime;
  const LoadOptions filling{.threads = cores};
  std::optional<Model> first = runtime.load(tiny_path(), filling);
  CHECK(cores_of(*first) == 1);
  std::optional<Model> second = runtime.load(tiny_path(), filling);
  CHECK(cores_of(*second) == cores);
  CHECK(cores_of(*first) == 1);

  first.reset();
  CHECK(cores_of(runtime.load(tiny_path(), filling)) == cores);  // the second still runs there
  second.reset();
  CHECK(cores_of(runtime.load(tiny_path(), filling)) == 1);

  CHECK_THROWS(runtime.load(tiny_path(), {.threads = cores, .progress = [](double) { throw 5; }}));
  runtime.add_actor("none", [](const auto&) { return std::unique_ptr<Actor>(); });
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Graph failing = with_actors(checkpoint.expand({.plan = "pp2", .threads = 1}), "none", "hidden");
  CHECK(error_of([&] { (void)runtime.load(checkpoint, failing); }).code() == Code::failed);
  CHECK(cores_of(runtime.load(tiny_path(), filling)) == 1);  // what a failed load had taken is back
}

TEST_CASE("fault 18: executors say that they fill the cores only where they have them") {
  const FewCores few;
  const auto cores = static_cast<std::uint32_t>(usable_cores().size());
  if (cpu_quota() < cores) {
    WARN("skipped: the quota leaves no cores to fill");
    return;
  }
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  const host::House house{
      {}, std::make_shared<CoreLedger>(), std::make_shared<WeightStore>(), plugins::builtin().transports};
  const LoadOptions options{.threads = cores};
  const auto fills = [](const host::Deployment& deployment) {
    return deployment.replicas[0].plan.stages[0][0]->fills_cores();
  };
  const auto deploy = [&] {
    return host::deploy(checkpoint.impl(), checkpoint.expand(options), options, house).value();
  };
  auto first = std::make_unique<host::Deployment>(deploy());
  CHECK(fills(*first));
  CHECK_FALSE(fills(deploy()));
  first.reset();
  CHECK(fills(deploy()));
}

}  // namespace troupe::testing
