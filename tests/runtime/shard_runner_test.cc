#include "runtime/device/cpu/shard_runner.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

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
  Step step{.id = 1, .slices = {{.tokens = {0}}}};
  for (int repetition = 0; repetition < 1000; ++repetition) {
    const auto runner = runner_of(program, 2);
    for (int again = 0; again < 2; ++again) {
      const StepOutcome outcome = runner->run(step);
      REQUIRE(outcome.broken);
      REQUIRE(outcome.broken->message() == "the others are gone");
    }
  }
}

/// Fills its one output: ones, quantised.
void run_ones(const Op& op, OpContext& c) {
  const std::vector<float> ones(c.columns(op.out[0]), 1.0F);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    // The second of two slices, of two rows each, is the loud one.
    std::vector<float> mine = ones;
    if (row >= 2) mine.assign(mine.size(), 1e6F);
    c.kernels().quantize(mine.data(), mine.size(), c.q8(op.out[0], row));
  }
}
const OpKind ones_kind{"ones", run_ones};

/// A product in leaves whose result nothing reads that the fusion rules know.
std::shared_ptr<Program> with_unread_leaves(const OpKind& product, const std::vector<float>& weights) {
  auto program = std::make_shared<Program>();
  program->values = {{"hidden", ValueType::f32, 32},
                     {"x", ValueType::q8, 64},
                     {"y", &product == &ops::matmul_partial ? ValueType::fixed : ValueType::f32, 32}};
  program->weights = {
      {"w",
       Weight::Use::matrix,
       {kernels::Format::f32, reinterpret_cast<const std::byte*>(weights.data()), 64, 0, 32, 0, 2, 32}}};
  program->body = {{.kind = &ones_kind, .layer = 5, .in = {0}, .out = {1}},
                   {.kind = &product, .layer = 5, .in = {1}, .out = {2}, .weights = {0}},
                   {.kind = &uneven, .layer = 9}};
  return program;
}

TEST_CASE("fault 9: a sum out of range is caught whoever reads it, in its own layer", "[bad-input]") {
  const std::vector<float> weights(32 * 64, 1.0F);
  for (const OpKind* product : {&ops::matmul_partial, &ops::matmul_leaves}) {
    for (const std::uint32_t threads : {1U, 3U}) {
      const auto program = with_unread_leaves(*product, weights);
      ShardParts parts;
      parts.program = program;
      parts.weights = pack_weights(*program, 1, [](std::size_t) { return true; }).value();
      parts.kernels = kernels::find_table();
      parts.rows = 4;
      parts.threads = threads;
      parts.tokens = std::make_unique<TokenBoard>(1, transport::make_in_process_channel(1, 64, {}));
      const auto runner = ShardRunner::create(std::move(parts)).value();
      const Step step{.id = 1, .slices = {{.tokens = {0, 0}}, {.tokens = {0, 0}}}};
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

TEST_CASE("fault 6: a shard whose op throws ends its step for every thread of the team", "[bad-input]") {
  static std::uint32_t thrower;
  static const OpKind throwing{"throwing", [](const Op&, OpContext& c) {
                                 if (c.thread() == thrower) throw std::bad_alloc();
                               }};
  auto program = std::make_shared<Program>();
  program->values.push_back({"hidden", ValueType::f32, 32});
  for (int i = 0; i < 8; ++i) program->body.push_back({.kind = i == 5 ? &throwing : &uneven});
  const Step step{.id = 1, .slices = {{.tokens = {0}}}};
  for (thrower = 0; thrower < 3; ++thrower) {
    const auto runner = runner_of(program, 3);
    CHECK_THROWS_AS(runner->run(step), std::bad_alloc);
    CHECK_THROWS_AS(runner->run(step), std::bad_alloc);
  }
}

}  // namespace
}  // namespace troupe
