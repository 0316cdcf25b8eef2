#include <future>
#include <thread>

#include "actors/host/deploy.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 3ms, many_patiences = 60ms;

std::shared_ptr<const Step> one_row() {
  SequenceSlice slice{.sequence = 1, .tokens = {5}, .table = {{0, 0, {0}}}, .sample = true, .wanted = 1};
  return std::make_shared<const Step>(Step{.id = 1, .opened = {{.sequence = 1}}, .slices = {slice}});
}

/// Two stages with an actor between them, and one before the sampler.
struct House {
  explicit House(const std::function<void(const StepView&)>& what) {
    const LoadOptions options{.plan = "pp2", .threads = 1};
    Graph graph = checkpoint.expand(options);
    graph = with_actors(with_actors(graph, "held", "hidden"), "plain", "logits");
    host::House house{
        {}, std::make_shared<CoreLedger>(), std::make_shared<WeightStore>(), plugins::builtin().transports};
    house.kinds.add_host_actor("held", factory_of(what));
    house.kinds.add_host_actor("plain", factory_of([](const StepView&) {}));
    deployment = host::deploy(checkpoint.impl(), graph, options, house, patience).value();
  }

  /// What comes of a step in each executor, from the first that gives to the last that takes, so that none waits for
  /// one that has not been asked; without the first `absent` ones.
  std::vector<StepOutcome> run(std::size_t absent, const std::function<void()>& meanwhile) {
    auto& stages = deployment.replicas[0].plan.stages;  // two shards, two actors, the sampler
    REQUIRE(stages.size() == 5);
    std::vector<std::shared_ptr<Executor>> chain{stages[0][0], stages[2][0], stages[1][0], stages[3][0], stages[4][0]};
    chain.erase(chain.begin(), chain.begin() + static_cast<std::ptrdiff_t>(absent));
    const auto step = one_row();
    std::vector<std::promise<StepOutcome>> promises(chain.size());
    for (std::size_t i = 0; i < chain.size(); ++i) {
      chain[i]->submit(step, [&promise = promises[i]](StepOutcome outcome) { promise.set_value(std::move(outcome)); });
    }
    meanwhile();
    std::vector<StepOutcome> outcomes;
    for (auto& promise : promises) outcomes.push_back(promise.get_future().get());
    return outcomes;
  }

  Checkpoint checkpoint = Runtime().open(tiny_path());
  host::Deployment deployment;
};

}  // namespace

TEST_CASE("fault 10: an actor that stands still for many patiences breaks nobody") {
  Gate gate;
  House house([&](const StepView&) { gate.pass(); });
  const auto outcomes = house.run(0, [&] {
    gate.wait_for_arrival();
    std::this_thread::sleep_for(many_patiences);
    gate.open();
  });
  for (const StepOutcome& outcome : outcomes) {
    INFO((outcome.broken ? outcome.broken->message() : ""));
    CHECK_FALSE(outcome.broken);
  }
  CHECK(outcomes.back().tokens.size() == 1);
}

TEST_CASE("fault 10: a stage that never gets its step breaks those who wait for it", "[bad-input]") {
  House house([](const StepView&) {});
  for (const StepOutcome& outcome : house.run(1, [] {})) {
    REQUIRE(outcome.broken);
    CHECK(outcome.broken->code() == Code::deadline);
  }
}

}  // namespace troupe::testing
