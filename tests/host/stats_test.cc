#include <future>
#include <thread>

#include "tests/host/parrot.hpp"

namespace troupe::testing {
namespace {

using std::chrono::milliseconds;
const Ids hello{104, 101, 108, 108, 111};

/// Until what is counted a moment later than a stream ends is counted.
template <class Condition>
Stats stats_when(const Model& model, const Condition& condition) {
  for (;;) {
    const Stats stats = model.stats();
    if (condition(stats)) return stats;
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("stats count requests, tokens and blocks") {
  Gate gate;
  Runtime runtime;
  runtime.add_actor("gate", factory_of([&](const StepView&) { gate.pass(); }));
  const LoadOptions options{.plan = "dp2", .threads = 1, .context = 128, .parallel = 2};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "logits"), options);
  Stats stats = stats_when(model, [](const Stats& s) { return s.replicas[0].kv_blocks * s.replicas[1].kv_blocks > 0; });
  CHECK(stats.requests == 0);
  CHECK(stats.tokens_per_second == 0.0);
  CHECK(stats.hit_rate() == 0.0);
  REQUIRE(stats.replicas.size() == 2);
  CHECK(stats.replicas[1].number == 1);
  CHECK(stats.replicas[1].state == ReplicaState::serving);
  CHECK(stats.replicas[1].kv_blocks == 4);
  CHECK(stats.replicas[1].restarts == 0);

  std::vector<Generation> streams;
  for (int i = 0; i < 7; ++i) streams.push_back(model.generate(hello, tokens(4)));
  stats = stats_when(model, [](const Stats& s) { return s.running + s.queued == 7; });
  CHECK(stats.running == 4);
  CHECK(stats.queued == 3);
  CHECK(stats.requests == 7);
  CHECK(stats.finished == 0);
  CHECK(stats.replicas[0].kv_used >= 1);
  CHECK(stats.replicas[0].kv_used <= 2);
  streams[0].cancel();
  gate.open();
  std::size_t tokens = 0, ended = 0;
  for (Generation& stream : streams) {
    tokens += read(stream).ids.size();
    ended += stream.finish()->error ? 0 : 1;
  }
  stats = stats_when(model, [](const Stats& s) { return s.running + s.queued + s.replicas[0].kv_used == 0; });
  CHECK(stats.finished == ended);
  CHECK(stats.failed == 7 - ended);
  CHECK(stats.generated_tokens == tokens);
  CHECK(stats.prompt_tokens >= ended * hello.size());
  CHECK(stats.tokens_per_second > 0.0);
  model.logits({1, 2, 3}, false, [](auto, auto) {});
  const Stats after = model.stats();
  CHECK(after.requests == 8);
  CHECK(after.finished == ended + 1);
  CHECK(after.prompt_tokens == stats.prompt_tokens + 3);
  CHECK(error_of([&] { (void)model.generate(Ids{}, {}); }).code() == Code::invalid_argument);
  CHECK(model.stats().requests == 8);
}

TEST_CASE("what the prefix cache has counts for logits as for texts") {
  const Model model = Runtime().load(tiny_path(), {.threads = 1, .chunk = 50});
  const auto cached = [&](const auto& ask) {
    const std::uint64_t before = model.stats().cached_tokens;
    ask();
    return model.stats().cached_tokens - before;
  };
  const Ids ids(150, 7);
  const auto logits = [&] { model.logits(ids, false, [](auto, auto) {}); };
  CHECK(cached(logits) == 0);
  CHECK(cached(logits) == 128);
  CHECK(cached([&] { (void)continued(model, ids, 3); }) == 128);
  CHECK(cached([&] { model.logits(ids, true, [](auto, auto) {}); }) == 0);  // every position's are computed
}

TEST_CASE("metrics come again and again, until the model closes") {
  std::atomic<int> calls{0}, wrong{0};
  std::atomic<std::uint64_t> generated{0};
  std::promise<void> third;
  const Runtime runtime({.metrics =
                             [&](std::string_view model, const Stats& stats) {
                               wrong += model == tiny_path() ? 0 : 1;
                               generated = stats.generated_tokens;
                               if (++calls == 3) third.set_value();
                               throw 5;  // is ignored
                             },
                         .metrics_interval = milliseconds(1)});
  {
    const Model model = runtime.load(tiny_path(), {.threads = 1});
    CHECK(continued(model, hello, 10).size() == 10);
    third.get_future().wait();
    while (generated != 10) std::this_thread::yield();
  }
  const int then = calls;
  std::this_thread::yield();
  CHECK(calls == then);
  CHECK(wrong == 0);
}

TEST_CASE("a model is dropped from within its metrics") {
  auto model = std::make_shared<std::optional<Model>>();
  const auto closed = std::make_shared<std::promise<void>>();
  {
    const Runtime runtime({.log =
                               [closed](LogLevel, std::string_view line) {
                                 if (line.starts_with("closed")) closed->set_value();
                               },
                           .metrics =
                               [model, given = std::make_shared<std::atomic<bool>>(false)](auto, const Stats& stats) {
                                 if (stats.requests > 0 && !given->exchange(true)) model->reset();
                               },
                           .metrics_interval = milliseconds(1)});
    *model = runtime.load(tiny_path(), {.threads = 1});
    const Model kept = **model;
    (void)continued(kept, hello, 3);
  }
  closed->get_future().wait();
}

TEST_CASE("an interval that cannot be is refused", "[bad-input]") {
  for (const milliseconds interval : {milliseconds(0), milliseconds(-1), milliseconds::max()}) {
    CHECK(error_of([&] { Runtime({.metrics_interval = interval}); }).code() == Code::invalid_argument);
  }
}

TEST_CASE("logits are cancelled, and have a deadline", "[bad-input]") {
  Gate gate;
  Runtime runtime;
  runtime.add_actor("gate", factory_of([&](const StepView& step) {
                      if (step.rows[0].user == "held") gate.pass();
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 1, .chunk = 4, .parallel = 4};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  LogitsOptions late;
  late.deadline = milliseconds(0);
  int calls = 0;
  const auto sink = [&](auto, auto) { ++calls; };
  CHECK(error_of([&] { model.logits(Ids(40, 3), true, sink, late); }).code() == Code::deadline);
  std::stop_source stop;
  LogitsOptions held;
  held.cancel = stop.get_token();
  held.user = "held";
  std::thread canceller([&] {
    gate.wait_for_arrival();
    stop.request_stop();
    gate.open();
  });
  CHECK(error_of([&] { model.logits(Ids(200, 3), true, sink, held); }).code() == Code::cancelled);
  canceller.join();
  const int then = calls;
  CHECK(error_of([&] { model.logits(Ids(40, 3), true, sink, held); }).code() == Code::cancelled);  // before it began
  CHECK(calls == then);
  late.deadline = std::chrono::hours(1);
  model.logits(Ids(40, 3), true, sink, late);
  CHECK(calls == then + 40);
}

TEST_CASE("a load is cancelled, and has a deadline", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  std::stop_source stop;
  std::size_t calls = 0;
  const LoadOptions cancelled{.plan = "pp2",
                              .threads = 1,
                              .progress =
                                  [&](double) {
                                    if (++calls == 2) stop.request_stop();
                                  },
                              .cancel = stop.get_token()};
  CHECK(error_of([&] { (void)runtime.load(checkpoint, cancelled); }).code() == Code::cancelled);
  CHECK(calls == 2);
  for (const Error& error : {error_of([&] { (void)runtime.load(checkpoint, cancelled); }),
                             error_of([&] { (void)runtime.load(tiny_path(), cancelled); }), error_of([&] {
                               (void)runtime.load(checkpoint, checkpoint.expand(cancelled), cancelled);
                             })}) {
    CHECK(error.code() == Code::cancelled);
  }
  CHECK(calls == 2);
  CHECK(error_of([&] { (void)runtime.load(checkpoint, {.threads = 1, .deadline = milliseconds(0)}); }).code() ==
        Code::deadline);
  CHECK(error_of([&] {
          (void)runtime.load(checkpoint, {.threads = 1,
                                          .progress = [](double) { std::this_thread::sleep_for(milliseconds(2)); },
                                          .deadline = milliseconds(1)});
        }).code() == Code::deadline);
  const Model model = runtime.load(
      checkpoint, {.threads = 1, .cancel = std::stop_source().get_token(), .deadline = std::chrono::hours(1)});
  CHECK(continued(model, hello, 5).size() == 5);
  std::stop_source later;
  const Model other = runtime.load(checkpoint, {.threads = 1, .cancel = later.get_token()});
  later.request_stop();
  CHECK(continued(other, hello, 5).size() == 5);
}

}  // namespace troupe::testing
