#include "runtime/tiers/weights_budget.hpp"

#include <set>

#include "tests/device/on_processor.hpp"
#include "tests/host/streamed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

std::uint64_t all_bytes(const WantedWeights& shard) {
  std::uint64_t bytes = 0;
  for (const Weight& weight : shard.program->weights) bytes += weight_bytes(weight);
  return bytes;
}

/// What these shards have in memory together, pieces that they share counted once.
std::uint64_t held(const std::vector<WantedWeights>& shards) {
  std::set<PieceKey> pieces;
  std::uint64_t bytes = 0;
  for (const WantedWeights& shard : shards) {
    const auto kept = shard.kept();
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const Weight& weight = shard.program->weights[i];
      if (kept[i] && pieces.insert(key_of(weight, "cpu")).second) bytes += weight_bytes(weight);
    }
    if (shard.stream != nullptr) bytes += shard.stream->bytes();
  }
  return bytes;
}

class NoStreams : public OnProcessor {
 public:
  using OnProcessor::OnProcessor;
  [[nodiscard]] std::string_view name() const override { return "none"; }
  [[nodiscard]] std::span<const FusionRule> rules() const override { return {}; }
};

}  // namespace

TEST_CASE("weights budget: what is kept is within it, and as much as it allows") {
  for (const std::uint32_t layers : {3U, 4U, 12U, 30U}) {
    const StreamedModel model(layers);
    for (int percent = 1; percent <= 100; ++percent) {
      std::vector<WantedWeights> shards{model.wanted()};
      const WeightsBudget budget = weights_budget(shards);
      REQUIRE(budget.all == all_bytes(shards[0]));
      const auto limit = static_cast<double>(budget.all) * percent / 100;
      const auto planned = plan_streams(shards, percent / 100.0);
      INFO(layers << " layers, " << percent << " %");
      REQUIRE(planned.ok() == (limit >= static_cast<double>(budget.least)));
      if (!planned) {
        CHECK(planned.error().code() == Code::invalid_argument);
        CHECK_THAT(planned.error().message(), Contains("too little for this plan"));
        continue;
      }
      CHECK(static_cast<double>(held(shards)) <= limit);
      if (percent == 100) CHECK(shards[0].stream == nullptr);
      if (shards[0].stream == nullptr) continue;
      const std::uint64_t layer = shards[0].stream->layers[0].bytes;  // they are alike
      CHECK(static_cast<double>(held(shards) + layer) > limit);       // one more would not fit
    }
  }
}

TEST_CASE("weights budget: the least that the error names works, and a little less does not") {
  const StreamedModel model(12);
  std::vector<WantedWeights> shards{model.wanted()};
  const WeightsBudget budget = weights_budget(shards);
  const double least = static_cast<double>(budget.least) / static_cast<double>(budget.all);
  CHECK(budget.least < budget.all / 2);
  CHECK_FALSE(plan_streams(shards, least - 1e-6).ok());
  CHECK(plan_streams(shards, least + 1e-6).ok());
  CHECK(shards[0].stream->layers.size() == 12);
}

TEST_CASE("weights budget: units are whole layers in order, evenly spread; the head and what layers share stay") {
  const StreamedModel model(12);
  std::vector<WantedWeights> shards{model.wanted()};
  REQUIRE(plan_streams(shards, 0.7).ok());
  const auto& units = shards[0].stream->layers;
  REQUIRE(units.size() >= 3);
  const double distance = 12.0 / static_cast<double>(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    CHECK(std::abs(units[i].layer - distance * static_cast<double>(i + 1)) <= distance);
    if (i > 0) CHECK(units[i].layer > units[i - 1].layer);
    for (const WeightId id : units[i].weights) {
      const Weight& weight = shards[0].program->weights[id];
      CHECK(weight.use == Weight::Use::matrix);
      CHECK_THAT(weight.tensor, Contains("blk." + std::to_string(units[i].layer) + "."));
    }
  }
}

TEST_CASE("weights budget: shards that hold the same share what they keep, and others what the budget is more") {
  const StreamedModel model(12), other(20);
  std::vector<WantedWeights> twins{model.wanted(), model.wanted()};
  const WeightsBudget two = weights_budget(twins), one = weights_budget(std::span(twins).first(1));
  CHECK(two.all == one.all);
  CHECK(two.least > one.least);  // buffers are each one's own
  REQUIRE(plan_streams(twins, 0.8).ok());
  CHECK(twins[0].stream == twins[1].stream);
  CHECK(held(twins) <= static_cast<std::uint64_t>(0.8 * static_cast<double>(two.all)));

  std::vector<WantedWeights> unlike{model.wanted(), other.wanted()};
  const WeightsBudget both = weights_budget(unlike);
  REQUIRE(plan_streams(unlike, 0.7).ok());
  CHECK(held(unlike) <= static_cast<std::uint64_t>(0.7 * static_cast<double>(both.all)));
  CHECK(unlike[0].stream != nullptr);
  CHECK(unlike[1].stream != nullptr);
}

TEST_CASE("weights budget: three layers, and a device that reads nothing from disk, have all in memory") {
  const StreamedModel three(3), twelve(12);
  std::vector<WantedWeights> shards{three.wanted()};
  CHECK(weights_budget(shards).least == weights_budget(shards).all);
  const auto planned = plan_streams(shards, 0.9);
  REQUIRE_FALSE(planned.ok());
  CHECK_THAT(planned.error().message(), Contains("too few layers") && Contains("100%"));

  shards = {twelve.wanted()};
  shards[0].device = std::make_shared<NoStreams>(shards[0].device);
  CHECK(weights_budget(shards).least == weights_budget(shards).all);
}

}  // namespace troupe::testing
