#include "runtime/tiers/expert_cache.hpp"

#include <cstring>
#include <map>
#include <set>

#include "tests/host/fake_disk.hpp"
#include "tests/host/streamed.hpp"
#include "tests/seed.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr std::uint32_t layers = 6;

/// A tiny model whose layers have experts.
StreamedModel model_with_experts() { return StreamedModel(TinyModel{.layers = layers, .architecture = "qwen2moe"}); }

/// The experts of a shard with room for so many of them.
struct Cached {
  explicit Cached(double share, FakeDisk::Read read = mark) {
    std::vector<WantedWeights> shards{model.wanted()};
    plan_streams(shards, 1, share).value();
    shard = shards[0];
    weights.resize(shard.program->weights.size());
    disk = std::make_shared<FakeDisk>(std::move(read));
    cache = ExpertCache::create(shard.program, shard.stream, disk, weights, counts).value();
    for (const StreamPlan::Unit& expert : shard.stream->experts) ++of_layer[expert.layer];
  }

  /// Rows go to these experts of a layer, and find what was written for them.
  Result<void> use(std::uint32_t layer, const std::set<std::uint32_t>& needed) {
    std::vector<std::uint32_t> rows{0};
    for (std::uint32_t e = 0; e < of_layer[layer]; ++e) rows.push_back(rows.back() + (needed.contains(e) ? 2 : 0));
    auto came = cache->await(layer, rows, {});
    if (!came) return came;
    std::size_t unit = 0;
    while (shard.stream->experts[unit].layer != layer) ++unit;
    for (const std::uint32_t e : needed) {
      const auto* data = weights[shard.stream->experts[unit + e].weights[0]].matrix.data;
      CHECK(std::to_integer<std::size_t>(*data) == unit + e);
    }
    return came;
  }

  StreamedModel model = model_with_experts();
  WantedWeights shard;
  std::vector<LoadedWeight> weights;
  std::map<std::uint32_t, std::uint32_t> of_layer;
  std::shared_ptr<PrefetchCounts> counts = std::make_shared<PrefetchCounts>();
  std::shared_ptr<FakeDisk> disk;
  std::unique_ptr<ExpertCache> cache;
};

}  // namespace

TEST_CASE("experts budget: room for a layer's experts and the reads under way is the least, and the error says so") {
  const StreamedModel model = model_with_experts();
  std::vector<WantedWeights> shards{model.wanted()};
  REQUIRE(plan_streams(shards, 1, 0.999).ok());
  const std::size_t all = shards[0].stream->experts.size(), of_a_layer = all / layers;
  CHECK(shards[0].stream->layers.empty());
  CHECK(shards[0].stream->slots == all - 1);
  const double least = static_cast<double>(of_a_layer + StreamPlan::expert_reads) / static_cast<double>(all);
  CHECK(plan_streams(shards, 1, least + 1e-9).ok());
  const auto refused = plan_streams(shards, 1, least - 1e-6);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().message(), Contains("at least") && Contains("all experts that one of its layers has"));
  // Both budgets: each of what the other has not.
  REQUIRE(plan_streams(shards, 0.9, 0.7).ok());
  CHECK_FALSE(shards[0].stream->layers.empty());
  CHECK_FALSE(shards[0].stream->experts.empty());
}

TEST_CASE("expert cache: whatever rows go to is there, step after step, however they choose") {
  Random random(first_seed());
  for (const double share : {0.7, 0.85, 0.99}) {
    Cached cached(share);
    for (int step = 0; step < 60; ++step) {
      for (const auto& [layer, experts] : cached.of_layer) {
        std::set<std::uint32_t> needed;
        const std::uint32_t count = step % 10 == 0 ? experts : random() % 3;
        while (needed.size() < count) needed.insert(random() % experts);
        REQUIRE(cached.use(layer, needed).ok());
      }
    }
    const PrefetchCounts& counts = *cached.counts;
    CHECK(counts.hits > 0);
    CHECK(counts.misses > 0);
    CHECK(counts.reads == cached.disk->begun.size());
  }
}

TEST_CASE("expert cache: what every step needs stays, and is not read again") {
  Cached cached(0.7);
  for (int step = 0; step < 20; ++step) {
    for (const auto& [layer, experts] : cached.of_layer) {
      // Two of each layer always, and one more that changes: there is room for the two of all layers and a few others.
      REQUIRE(cached.use(layer, {0, 1, 2 + (step + layer) % (experts - 2)}).ok());
    }
  }
  std::map<std::size_t, std::size_t> times;
  for (const std::size_t unit : cached.disk->begun) ++times[unit];
  const std::uint32_t experts = cached.of_layer.begin()->second;
  for (std::size_t layer = 0; layer < cached.of_layer.size(); ++layer) {
    CHECK(times[layer * experts] <= 2);
    CHECK(times[layer * experts + 1] <= 2);
  }
}

TEST_CASE("expert cache: the experts of the last step are read while the layer before computes") {
  Cached cached(0.7);
  std::size_t begun_before = 0;
  for (int step = 0; step < 5; ++step) {  // all experts in every step, which do not fit
    for (const auto& [layer, experts] : cached.of_layer) {
      std::set<std::uint32_t> all;
      for (std::uint32_t e = 0; e < experts; ++e) all.insert(e);
      for (const auto& [place, read] : cached.disk->under_way) {
        begun_before += cached.shard.stream->experts[read.unit].layer == layer ? 1 : 0;
      }
      REQUIRE(cached.use(layer, all).ok());
    }
  }
  CHECK(begun_before > 0);
  CHECK(cached.counts->foreseen == begun_before);
  CHECK(cached.counts->wasted == 0);
}

TEST_CASE("expert cache: what cannot be read fails the step that needs it, and is read again by the next") {
  bool gone = false;
  Cached cached(0.7, [&](std::size_t unit, std::span<std::byte> into) -> Result<void> {
    if (gone) return Error(Code::failed, "the disk is gone");
    return mark(unit, into);
  });
  REQUIRE(cached.use(0, {0, 1}).ok());
  gone = true;
  for (int again = 0; again < 3; ++again) {
    const auto came = cached.use(1, {2, 3});
    REQUIRE_FALSE(came.ok());
    CHECK(came.error().message() == "the disk is gone");
  }
  gone = false;
  REQUIRE(cached.use(1, {2, 3}).ok());
  for (std::uint32_t layer = 0; layer < layers; ++layer) REQUIRE(cached.use(layer, {0, 1, 2, 3}).ok());
}

TEST_CASE("a model with experts on disk says what it read, and the same as one that has them in memory") {
  const TemporaryFolder folder;
  const StreamedModel tiny = model_with_experts();
  Runtime runtime;
  LoadOptions options{.threads = 2, .context = 128};
  const Model whole = runtime.load(tiny.checkpoint, options);
  options.experts_budget = 0.7;
  options.weights_folder = folder.at("packed");
  const Model cached = runtime.load(tiny.checkpoint, options);
  Ids prompt;
  for (TokenId id = 1; id < 60; ++id) prompt.push_back(id);
  CHECK(continued(cached, prompt, 30) == continued(whole, prompt, 30));
  const PrefetchStats stats = cached.stats().prefetch;
  CHECK(stats.hits > 0);
  CHECK(stats.misses > 0);
  CHECK(whole.stats().prefetch.misses == 0);

  std::uint64_t all = 0, held = 0;
  for (const ActorMemory& actor : tiny.checkpoint.memory(tiny.checkpoint.expand({.threads = 1}), {.threads = 1}))
    all += actor.weights;
  for (const ActorMemory& actor : tiny.checkpoint.memory(tiny.checkpoint.expand(options), options))
    held += actor.weights;
  CHECK(held < all);
}

}  // namespace troupe::testing
