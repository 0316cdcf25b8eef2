// What ranks of the experts tell each other is not trusted.
#include <catch2/catch.hpp>

#include "tests/runtime/shard_fixture.hpp"

namespace troupe {
namespace {

using testing::Shard;

/// Of two ranks the first; the other says that it gives so many rows to it, and as many to itself.
class Liar : public testing::Alone {
 public:
  explicit Liar(std::int32_t gives) : gives_(gives) {}
  [[nodiscard]] int size() const override { return 2; }
  Result<transport::Event> all_gather(transport::Tensor in, transport::Tensor out, transport::Deadline) override {
    const auto* const mine = reinterpret_cast<const std::int32_t*>(in.data);
    auto* const all = reinterpret_cast<std::int32_t*>(out.data);
    std::copy_n(mine, 2, all);
    std::fill_n(all + 2, 2, gives_);
    return transport::Event{};
  }

 private:
  std::int32_t gives_;
};

/// Two rows, whose choice of one expert each is taken from their embedding: the first of four, on this rank.
StepOutcome plan_with(std::int32_t gives) {
  Shard shard;
  shard.table = {0.0F, 0.0F, 0.0F};
  const ValueId choice = shard.value(ValueType::f32, 2);
  const WeightId choices = shard.rows(2);
  shard.program->spaces.push_back({.name = "sent"});
  shard.program->spaces.push_back({.name = "guest", .per_row = 2});
  shard.append(ops::Embed{choices, choice, 1.0F});
  shard.append(ops::PlanExchange{choice, 1, 2, {{0}, {0}, {1}, {1}}, 0});
  shard.program->groups.push_back({"ep", 0, 2, 0});
  shard.parts.groups = {std::make_shared<Liar>(gives)};
  testing::Ends channel = testing::channel_in_memory(1, 2 * 32 * sizeof(float));
  shard.hidden_out = testing::only(std::move(channel.sender));
  return shard.runner(1)->run(testing::step_of({1, 2}));
}

}  // namespace

TEST_CASE("experts: a rank that says it sends more rows than there are, or fewer than none, ends the step",
          "[bad-input]") {
  CHECK_FALSE(plan_with(0).broken);
  CHECK_FALSE(plan_with(2).broken);  // a guest of each row, beside its own two
  for (const std::int32_t gives : {3, 1'000'000'000, INT32_MAX, -1, INT32_MIN}) {
    const StepOutcome outcome = plan_with(gives);
    REQUIRE(outcome.broken);
    CHECK(outcome.broken->message() ==
          "rank 1 of the experts sends " + std::to_string(gives) + " rows, more than a step has");
  }
}

}  // namespace troupe
