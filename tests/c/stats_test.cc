#include <atomic>
#include <numeric>

#include "tests/c/requests.hpp"
#include "tests/host/tiny_model.hpp"
#include "tests/model_files.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
TEST_CASE("C: a model says what it has done, replica by replica") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime, "dp2");
  CHECK(read(started(model, hello, tokens(10))).ids.size() == 10);
  auto stats = made(troupe_stats_default);
  succeeds([&](auto* error) { return troupe_model_stats(model, &stats, error); });
  CHECK(stats.size == sizeof stats);
  CHECK(stats.requests == 1);
  CHECK(stats.finished + stats.running == 1);
  CHECK(stats.prompt_tokens == 5);
  const auto both = replicas(model);
  REQUIRE(both.size() == 2);
  for (const troupe_replica_stats& replica : both) {
    CHECK(replica.size == sizeof replica);
    CHECK(replica.state == TROUPE_REPLICA_SERVING);
    CHECK(replica.kv_blocks > 0);
  }
  needs("model", [&](auto* error) { return troupe_model_stats(nullptr, &stats, error); });
  needs("stats", [&](auto* error) { return troupe_model_stats(model, nullptr, error); });
  needs("model", [&](auto* error) {
    return troupe_model_replicas(
        nullptr, [](auto...) {}, nullptr, error);
  });
  needs("visit", [&](auto* error) { return troupe_model_replicas(model, nullptr, nullptr, error); });
}

TEST_CASE("C: a model says what its experts have had to do, and what came from disk") {
  const MemoryFile file(TinyModel{.layers = 6, .architecture = "qwen2moe"}.file());
  const TemporaryFolder folder;
  const std::string packed = folder.at("packed");
  auto options = made(troupe_load_options_default);
  options.threads = 1;
  options.context = 64;
  options.experts_budget = 0.7;
  options.weights_folder = packed.c_str();
  const HeldRuntime runtime = new_runtime();
  HeldModel model;
  succeeds([&](auto* error) { return troupe_model_load(runtime, file.path().c_str(), &options, model.out(), error); });
  CHECK(read(started(model, hello, tokens(10))).ids.size() == 10);

  std::vector<std::uint64_t> rows;  // of each layer
  const auto visit = [](void* user, const troupe_expert_load* layer) {
    CHECK(layer->size == sizeof *layer);
    CHECK(layer->layer == static_cast<std::vector<std::uint64_t>*>(user)->size());
    const auto sum = std::accumulate(layer->rows, layer->rows + layer->experts, std::uint64_t{0});
    static_cast<std::vector<std::uint64_t>*>(user)->push_back(sum);
  };
  succeeds([&](auto* error) { return troupe_model_experts(model, visit, &rows, error); });
  REQUIRE(rows.size() == 6);
  for (const std::uint64_t each : rows) CHECK(each == rows[0]);  // each row goes to as many
  CHECK(rows[0] > 0);

  auto stats = made(troupe_stats_default);
  succeeds([&](auto* error) { return troupe_model_stats(model, &stats, error); });
  CHECK(stats.expert_misses > 0);
  CHECK(stats.disk_reads >= stats.expert_misses);
  CHECK(stats.disk_bytes >= 4096 * stats.disk_reads);
  needs("model", [&](auto* error) { return troupe_model_experts(nullptr, visit, &rows, error); });
  needs("visit", [&](auto* error) { return troupe_model_experts(model, nullptr, nullptr, error); });
}

TEST_CASE("C: metrics come until the model closes") {
  struct Heard {
    std::atomic<int> times{0}, wrong{0}, released{0};
  } heard;
  auto options = made(troupe_runtime_options_default);
  options.metrics_interval_ms = 1;
  options.user = &heard;
  options.metrics = [](void* user, const char* model, const troupe_stats* stats) {
    auto& to = *static_cast<Heard*>(user);
    if (std::string(model) != tiny_path() || stats->size != sizeof *stats) ++to.wrong;
    ++to.times;
    to.times.notify_all();
  };
  options.release = [](void* user) { ++static_cast<Heard*>(user)->released; };
  HeldRuntime runtime;
  succeeds([&](auto* error) { return troupe_runtime_new(&options, runtime.out(), error); });
  HeldModel model = loaded(runtime);
  heard.times.wait(0);
  model.free();
  runtime.free();
  CHECK(heard.wrong == 0);
  CHECK(heard.released == 1);
  options.metrics_interval_ms = 0;
  troupe_runtime* none = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "metrics", [&](auto* error) { return troupe_runtime_new(&options, &none, error); });
}

TEST_CASE("C: replicas of no model are refused", "[bad-input]") {
  needs("model", [](auto* error) { return troupe_model_replicate(nullptr, 1, nullptr, error); });
  needs("model", [](auto* error) { return troupe_model_drain(nullptr, 0, error); });
}

}  // namespace troupe::testing
