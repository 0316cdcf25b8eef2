#include "runtime/program/shard_runner.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "runtime/program/context.hpp"

namespace troupe {
namespace {

/// The second of two threads comes late out of this op.
void run_uneven(const Op& /*op*/, OpContext& c) {
  if (c.thread() != 0) std::this_thread::yield();
}

/// What a collective does whose group was aborted.
void run_failing(const Op& /*op*/, OpContext& c) {
  if (c.thread() == 0) c.fail({Code::aborted, "the others are gone"});
  c.barrier();
}

const OpKind uneven{"uneven", run_uneven};
const OpKind failing{"failing", run_failing};

std::unique_ptr<ShardRunner> runner_of(std::shared_ptr<const Program> program, std::uint32_t threads) {
  ShardParts parts;
  parts.program = std::move(program);
  parts.weights = std::make_shared<ShardWeights>();
  parts.kernels = kernels::find_table();
  parts.rows = 1;
  parts.threads = threads;
  parts.policy.spins = 0;
  parts.tokens = std::make_unique<TokenBoard>(1, transport::make_in_process_channel(1, 64, {}));
  return ShardRunner::create(std::move(parts)).value();
}

TEST_CASE("shard runner: a step whose collective fails ends for every thread of the team", "[bad-input]") {
  auto program = std::make_shared<Program>();
  program->values.push_back({"hidden", ValueType::f32, 32});
  for (int i = 0; i < 8; ++i) program->body.push_back({.kind = i == 5 ? &failing : &uneven});
  Step step{.id = 1, .slices = {{.tokens = {0}, .settings = std::make_shared<SequenceSettings>()}}};
  for (int repetition = 0; repetition < 1000; ++repetition) {
    const auto runner = runner_of(program, 2);
    for (int again = 0; again < 2; ++again) {
      const StepOutcome outcome = runner->run(step);
      REQUIRE(outcome.broken);
      REQUIRE(outcome.broken->message() == "the others are gone");
    }
  }
}

}  // namespace
}  // namespace troupe
