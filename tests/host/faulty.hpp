#pragma once

#include <atomic>
#include <new>
#include <stdexcept>

#include "actors/host/deploy.hpp"
#include "actors/host/makers.hpp"
#include "actors/host/model.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {

/// How a shard's runner fails.
enum class Fault { none, throws, no_memory, silent };

/// Faults to come, of all shards of a house together: at the n-th step from when they are armed.
class Faults {
 public:
  void arm(Fault fault, std::int64_t steps) {
    fault_ = fault;
    left_ = steps;
  }
  [[nodiscard]] Fault next() { return left_.fetch_sub(1) == 1 ? fault_.load() : Fault::none; }
  [[nodiscard]] bool struck() const { return left_ <= 0; }

 private:
  std::atomic<Fault> fault_{Fault::none};
  std::atomic<std::int64_t> left_{0};
};

/// A shard's runner that fails when it is told to. One that is silent is not at work, and does not run its step.
class FaultyRunner final : public StepRunner {
 public:
  FaultyRunner(std::unique_ptr<StepRunner> runner, std::shared_ptr<Faults> faults, transport::Deadline deadline)
      : runner_(std::move(runner)), faults_(std::move(faults)), deadline_(deadline) {}

  StepOutcome run(const Step& step) override {
    const Fault fault = faults_->next();
    if (fault == Fault::throws) throw std::runtime_error("an op threw");
    if (fault == Fault::no_memory) throw std::bad_alloc();
    return fault == Fault::silent ? stay_silent(step) : runner_->run(step);
  }
  void abort(const Error& why) override {
    aborted_.raise(why);
    never_.interrupt();
    runner_->abort(why);
  }

 private:
  StepOutcome stay_silent(const Step& step) {
    StepOutcome outcome{.id = step.id};
    outcome.broken = never_.wait_until(1, {.spins = 0}, deadline_, aborted_, "what never comes").error();
    return outcome;
  }

  std::unique_ptr<StepRunner> runner_;
  std::shared_ptr<Faults> faults_;
  transport::Deadline deadline_;
  transport::Counter never_;
  transport::AbortFlag aborted_;
};

/// What a faulty house is beside its model.
struct FaultySettings {
  actors::RestartLimit limit{SIZE_MAX, std::chrono::minutes(1), SIZE_MAX};
  std::function<void(LogLevel, std::string_view)> log{};
  plugins::Registry plugins = plugins::builtin();
  host::Maker shard = host::make_shard;    ///< of what the faults are put around
  std::chrono::milliseconds patience{20};  ///< with silent peers
  std::map<std::string, ActorFactory> actors{};
};

/// A model whose shards are faulty.
struct FaultyHouse {
  explicit FaultyHouse(const LoadOptions& options, FaultySettings settings = {})
      : FaultyHouse(Runtime().open(tiny_path()), std::nullopt, options, std::move(settings)) {}

  /// Without a graph that of the options' plan.
  FaultyHouse(Checkpoint opened, const std::optional<Graph>& graph, const LoadOptions& options, FaultySettings settings)
      : checkpoint(std::move(opened)),
        runtime(host::make_retiring<Runtime::Impl>(RuntimeOptions{.log = std::move(settings.log)},
                                                   std::move(settings.plugins))) {
    runtime->start_control();
    for (auto& [kind, factory] : settings.actors) runtime->add_kind(kind, std::move(factory));
    house = runtime->house();
    house.kinds.maker("shard") = [plain = std::move(settings.shard), armed = faults](
                                     const Part& part, host::Workbench bench) -> Result<std::unique_ptr<StepRunner>> {
      const transport::Deadline deadline = bench.deadline;
      auto runner = plain(part, std::move(bench));
      if (!runner) return runner.error();
      return std::unique_ptr<StepRunner>(std::make_unique<FaultyRunner>(std::move(*runner), armed, deadline));
    };
    const Graph drawn = graph ? *graph : checkpoint.expand(options);
    auto deployment = host::deploy(checkpoint.impl(), drawn, options, house, settings.patience);
    REQUIRE(deployment.ok());
    deployment->limit = settings.limit;
    const std::uint32_t context = options.context == 0 ? checkpoint.context() : options.context;
    model =
        Model(host::make_retiring<Model::Impl>(runtime, checkpoint, drawn, options, context, std::move(*deployment)));
  }

  const std::shared_ptr<Faults> faults = std::make_shared<Faults>();
  const Checkpoint checkpoint;
  const std::shared_ptr<Runtime::Impl> runtime;
  host::House house;
  std::optional<Model> model;
};

}  // namespace troupe::testing
