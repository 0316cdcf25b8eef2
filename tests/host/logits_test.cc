#include <atomic>
#include <utility>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Rows = std::vector<std::pair<std::uint32_t, std::vector<float>>>;

Rows logits_of(const Model& model, const Ids& ids, bool every_position, std::uint32_t first) {
  Rows rows;
  LogitsOptions options;
  options.first = first;
  model.logits(
      ids, every_position,
      [&](std::uint32_t position, std::span<const float> row) {
        rows.emplace_back(position, std::vector<float>(row.begin(), row.end()));
      },
      options);
  return rows;
}

Ids some_ids(std::size_t count) {
  Ids ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<TokenId>((i * 37 + 5) % TinyModel::tokens));
  return ids;
}

TEST_CASE("logits from a position on are the last of all of them, and no others are computed") {
  constexpr std::uint32_t count = 150;
  const Ids ids = some_ids(count);
  Runtime runtime;
  std::atomic<std::uint32_t> computed = 0;
  runtime.add_actor(
      "counter", factory_of([&](const StepView& step) { computed += static_cast<std::uint32_t>(step.rows.size()); }));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Rows all = logits_of(runtime.load(checkpoint, {.threads = 1}), ids, true, 0);
  REQUIRE(all.size() == count);
  for (const char* plan : {"tp1", "pp2.tp2", "sp2", "cp2"}) {
    for (const std::uint32_t chunk : {7U, 512U}) {
      for (const bool prefix_cache : {false, true}) {
        const LoadOptions options{.plan = plan, .threads = 1, .chunk = chunk, .prefix_cache = prefix_cache};
        const Model model =
            runtime.load(checkpoint, with_actors(checkpoint.expand(options), "counter", "logits"), options);
        for (const std::uint32_t first : {0U, 1U, 64U, 75U, 128U, count - 1}) {
          INFO(plan << ", chunk " << chunk << ", prefix cache " << prefix_cache << ", from " << first);
          computed = 0;
          CHECK(logits_of(model, ids, true, first) == Rows(all.begin() + first, all.end()));
          CHECK(computed == count - first);
        }
        computed = 0;
        CHECK(logits_of(model, ids, false, 75) == Rows(all.end() - 1, all.end()));
        CHECK(computed == 1);
      }
    }
  }
}

TEST_CASE("logits from behind the last position on are refused", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  for (const bool every_position : {true, false}) {
    for (const std::uint32_t first : {3U, UINT32_MAX}) {
      const Error error = error_of([&] { (void)logits_of(model, {1, 2, 3}, every_position, first); });
      CHECK(error.code() == Code::invalid_argument);
      CHECK_THAT(error.message(), Catch::Matchers::Contains("first is " + std::to_string(first)) &&
                                      Catch::Matchers::Contains("position 2"));
    }
  }
}

}  // namespace
}  // namespace troupe::testing
