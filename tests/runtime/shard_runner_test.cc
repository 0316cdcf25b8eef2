#include "runtime/device/shard_runner.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/runtime/shard_fixture.hpp"

namespace troupe {
namespace {

using testing::Shard;
using testing::step_of;

/// A group whose other ranks are gone.
struct Deserted : testing::Alone {
  Result<transport::Event> all_reduce(transport::Tensor, transport::Tensor, transport::Deadline) override {
    return Error(Code::aborted, "the others are gone");
  }
};

TEST_CASE("shard runner: a step whose collective fails ends for every thread of the team", "[bad-input]") {
  Shard shard;
  // The second of two threads comes late out of this op.
  shard.kernels.add = [](const float*, std::size_t, float* x) {
    if (x[0] == 1) std::this_thread::yield();
  };
  for (int i = 0; i < 8; ++i) shard.append(i == 5 ? ops::Any(ops::AllReduce{Shard::fixed, 0, 0}) : Shard::any_op());
  shard.program->events = 1;
  shard.parts.groups = {std::make_shared<Deserted>()};
  const Step step = step_of({0, 1});
  for (int repetition = 0; repetition < 1000; ++repetition) {
    const auto runner = shard.runner(2);
    for (int again = 0; again < 2; ++again) {
      const StepOutcome outcome = runner->run(step);
      REQUIRE(outcome.broken);
      REQUIRE(outcome.broken->message() == "the others are gone");
    }
  }
}

TEST_CASE("fault 9: a sum out of range is caught whoever reads it, in its own layer", "[bad-input]") {
  const std::vector<float> ones(32 * 64, 1.0F);
  for (const bool partial : {true, false}) {
    for (const std::uint32_t threads : {1U, 3U}) {
      // A product in leaves whose result nothing reads. The rows of token 2 are loud.
      Shard shard;
      shard.table = {0.0F, 1.0F, 1e6F};
      const ValueId x = shard.value(ValueType::f32, 64);
      const WeightId product = shard.matrix(ones, 32, 64);
      shard.append(ops::Embed{shard.rows(64), x, 1.0F}, 5);
      if (partial) shard.append(ops::MatmulPartial{x, product, Shard::fixed}, 5);
      if (!partial) shard.append(ops::MatmulLeaves{x, product, Shard::y}, 5);
      shard.append(Shard::any_op(), 9);
      const auto runner = shard.runner(threads);
      Step step = step_of({1, 1});
      step.slices.push_back(step_of({2, 2}).slices[0]);
      for (int again = 0; again < 3; ++again) {
        const StepOutcome outcome = runner->run(step);
        REQUIRE_FALSE(outcome.broken);
        REQUIRE(outcome.failures.size() == 1);
        CHECK(outcome.failures[0].slice == 1);
        CHECK(outcome.failures[0].error.code() == Code::out_of_range);
        CHECK(outcome.failures[0].error.message().starts_with("layer 5: a sum is not a number or beyond +-524288"));
      }
    }
  }
}

TEST_CASE("a mean square beyond fixed point is caught, in its own layer", "[bad-input]") {
  Shard shard;
  shard.table = {0.0F, 1.0F, 1e6F};
  const ValueId x = shard.value(ValueType::f32, 64), mean = shard.value(ValueType::fixed, 1);
  shard.append(ops::Embed{shard.rows(64), x, 1.0F}, 5);
  shard.append(ops::MeanSquare{.x = x, .mean = mean, .first = 1, .heads = 2, .head_dim = 16, .columns = 64}, 5);
  shard.append(Shard::any_op(), 9);
  Step step = step_of({1, 1});
  step.slices.push_back(step_of({2, 2}).slices[0]);
  const StepOutcome outcome = shard.runner(2)->run(step);
  REQUIRE_FALSE(outcome.broken);
  REQUIRE(outcome.failures.size() == 1);
  CHECK(outcome.failures[0].slice == 1);
  CHECK(outcome.failures[0].error.code() == Code::out_of_range);
  CHECK(outcome.failures[0].error.message().starts_with("layer 5: a sum is not a number or beyond +-524288"));
}

TEST_CASE("fault 6: a shard whose op throws ends its step for every thread of the team", "[bad-input]") {
  static float thrower;
  Shard shard;
  shard.kernels.add = [](const float*, std::size_t, float* x) {
    if (x[0] == thrower) throw std::bad_alloc();
  };
  for (int i = 0; i < 8; ++i) shard.append(Shard::any_op());
  for (thrower = 0; thrower < 3; ++thrower) {
    const auto runner = shard.runner(3);
    CHECK_THROWS_AS(runner->run(step_of({0, 1, 2})), std::bad_alloc);
    CHECK_THROWS_AS(runner->run(step_of({0, 1, 2})), std::bad_alloc);
  }
}

}  // namespace
}  // namespace troupe
