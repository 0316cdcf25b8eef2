#include <atomic>

#include "tests/c/requests.hpp"

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
