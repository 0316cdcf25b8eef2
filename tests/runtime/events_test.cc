// Collectives that have ended only once they are awaited.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/runtime/shard_fixture.hpp"

namespace troupe {
namespace {

using testing::Shard;

constexpr ValueId reduced = Shard::fixed, sum = Shard::y;
std::vector<bool> ended_at_add;  // kernels are plain functions
bool ended = false;

/// The ranks' sum is three everywhere. Until it is awaited, what it reads and writes is not to be touched: its memory
/// holds nothing of use.
class LateSum : public testing::Alone, public transport::Event::Source {
 public:
  explicit LateSum(std::optional<Error> why = {}) : why_(std::move(why)) {}

  Result<transport::Event> all_reduce(transport::Tensor, transport::Tensor to, transport::Deadline) override {
    ended = false;
    begun_.push_back(to);
    fill(to, std::numeric_limits<std::int64_t>::min() / 4);
    return transport::Event(*this, begun_.size() - 1);
  }

  Result<void> wait(std::uint64_t number, transport::Deadline) override {
    if (why_) return *why_;
    ended = true;
    fill(begun_[number], std::int64_t{3} << kernels::fixed_fraction_bits);
    return {};
  }

 private:
  static void fill(const transport::Tensor& tensor, std::int64_t with) {
    std::fill_n(reinterpret_cast<std::int64_t*>(tensor.data), tensor.rows * tensor.columns, with);
  }
  std::optional<Error> why_;
  std::vector<transport::Tensor> begun_;
};

struct Ran {
  StepOutcome outcome;
  std::vector<float> hidden;  ///< [2][32]
};

/// Runs these ops behind the embedding of tokens 1 and 2.
Ran run(const std::vector<ops::Any>& ops, std::uint32_t threads, std::optional<Error> why = {}) {
  Shard shard;
  shard.kernels.add = [](const float* y, std::size_t n, float* x) {
    if (x[0] < 1.5F) ended_at_add.push_back(ended);  // of one row, so of one thread
    kernels::tables()[0]->add(y, n, x);
  };
  for (const ops::Any& op : ops) shard.append(op);
  shard.program->events = 2;
  shard.parts.groups = {std::make_shared<LateSum>(std::move(why))};
  testing::Ends channel = testing::channel_in_memory(1, 2 * 32 * sizeof(float));
  shard.hidden_out = testing::only(std::move(channel.sender));
  ended_at_add.clear();
  Ran ran{shard.runner(threads)->run(testing::step_of({1, 2})), std::vector<float>(2 * 32)};
  if (!ran.outcome.broken) {
    REQUIRE(channel.receiver->receive(transport::tensor_of(ran.hidden.data(), 2, 32), {}).ok());
  }
  return ran;
}

TEST_CASE("events: what is awaited has ended, what stands before goes on meanwhile") {
  for (const std::uint32_t threads : {1U, 2U}) {
    const ValueId other = 0;
    const Ran ran = run({ops::AllReduce{reduced, 0, 1}, ops::Add{other, other}, ops::Await{1, reduced, reduced},
                         ops::FromFixed{reduced, sum}, ops::Add{sum, Shard::hidden}},
                        threads);
    REQUIRE_FALSE(ran.outcome.broken);
    CHECK(ran.hidden.front() == 2 * 1 + 3);
    CHECK(ran.hidden.back() == 2 * 2 + 3);
    CHECK(ended_at_add.front() == false);
  }
}

TEST_CASE("events: a fused sum is awaited before it is added") {
  for (const std::uint32_t threads : {1U, 2U}) {
    ops::Residual residual{reduced, Shard::hidden};
    residual.group = 0;
    const Ran ran = run({residual}, threads);
    REQUIRE_FALSE(ran.outcome.broken);
    CHECK(ran.hidden.front() == 1 + 3);
    CHECK(ran.hidden.back() == 2 + 3);
  }
}

TEST_CASE("events: an await that is missing, or awaits something else, is seen") {
  const Ran none = run({ops::AllReduce{reduced, 0, 1}, ops::FromFixed{reduced, sum}, ops::Add{sum, Shard::hidden}}, 1);
  CHECK(none.hidden.front() != 1 + 3);
  const Ran other = run({ops::AllReduce{reduced, 0, 1}, ops::Await{0, reduced, reduced}, ops::FromFixed{reduced, sum},
                         ops::Add{sum, Shard::hidden}},
                        1);
  CHECK(other.hidden.front() != 1 + 3);
}

TEST_CASE("events: a collective that fails behind its beginning ends the step", "[bad-input]") {
  for (const std::uint32_t threads : {1U, 2U}) {
    const Ran ran = run({ops::AllReduce{reduced, 0, 0}, ops::Await{0, reduced, reduced}, Shard::any_op()}, threads,
                        Error(Code::aborted, "a rank is gone"));
    REQUIRE(ran.outcome.broken);
    CHECK(ran.outcome.broken->message() == "a rank is gone");
  }
}

}  // namespace
}  // namespace troupe
