#include <filesystem>
#include <random>
#include <thread>

#include "tests/host/faulty.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using Numbers = std::vector<std::uint32_t>;

constexpr std::uint32_t count = 40;

/// Of so many tokens.
Ids some_prompt(std::size_t tokens) {
  Ids prompt(tokens);
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>(3 + i % 40);
  return prompt;
}

/// Streams without a pause, on threads of their own, each compared with what it should be.
class Load {
 public:
  Load(const Model& model, const Ids& prompt, const Ids& expected) {
    for (int i = 0; i < 4; ++i) {
      threads_.emplace_back([this, &model, prompt, expected] {
        while (!over_) {
          const Outcome outcome = outcome_of(model.generate(prompt, tokens(count)));
          if (outcome.ids != expected || outcome.error) ++disturbed_;
          ++streams_;
        }
      });
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    CHECK(disturbed_ == 0);
    CHECK(streams_ > 0);
  }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> disturbed_{0}, streams_{0};
  std::vector<std::thread> threads_;
};

std::size_t threads_now() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

void check_changes(const char* plan, std::size_t changes, std::uint32_t seed) {
  INFO(plan << ", seed " << seed);
  Random random(seed);
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = 4});
  const Ids expected = continued(model, {1, 2, 3}, count);
  const std::size_t before = threads_now();
  Numbers there{0};
  {
    const Load load(model, {1, 2, 3}, expected);
    for (std::size_t i = 0; i < changes; ++i) {
      if (there.size() == 1 || (there.size() < 3 && random() % 2 == 0)) {
        for (const std::uint32_t number : model.replicate(1 + random() % 2)) there.push_back(number);
      } else {
        const auto victim = there.begin() + static_cast<std::ptrdiff_t>(random() % there.size());
        model.drain(*victim);
        there.erase(victim);
      }
    }
    while (there.size() > 1) {
      model.drain(there.back());
      there.pop_back();
    }
  }
  CHECK(threads_now() <= before);
  CHECK(continued(model, {1, 2, 3}, count) == expected);
}

/// From any plan to any other.
void check_replacements(std::size_t changes, std::uint32_t seed) {
  INFO("seed " << seed);
  Random random(seed);
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, {.threads = 1, .parallel = 4});
  const Ids prompt = some_prompt(110);  // a whole block of the KV cache goes along, and another becomes whole
  const Ids expected = continued(model, prompt, count);
  const std::vector<std::string> plans = checkpoint.plans(4);
  const std::size_t before = threads_now();
  {
    const Load load(model, prompt, expected);
    for (std::size_t i = 0; i <= changes; ++i) {
      const std::string plan = i == changes ? "tp1" : plans[random() % plans.size()];
      INFO(plan);
      const Numbers numbers = model.replace(checkpoint.expand({.plan = plan, .threads = 1}));
      const Stats stats = model.stats();
      REQUIRE(stats.replicas.size() == numbers.size());
      for (std::size_t k = 0; k < numbers.size(); ++k) REQUIRE(stats.replicas[k].number == numbers[k]);
    }
  }
  CHECK(threads_now() <= before);
  CHECK(continued(model, prompt, count) == expected);
}

}  // namespace

TEST_CASE("another graph has what the KV cache held, whatever shares layers and heads out") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Ids prompt = some_prompt(200);
  Ids expected;
  const bool kept = GENERATE(true, false);
  const Model model = runtime.load(checkpoint, {.threads = 1, .parallel = 2, .prefix_cache = kept});
  for (const char* plan : {"", "pp2", "tp2", "sp2", "cp2", "dp2", "pp2.tp2", "cp3", "dp2.pp2", "tp1"}) {
    INFO(plan);
    if (*plan != '\0') (void)model.replace(checkpoint.expand({.plan = plan, .threads = 1}));
    Generation stream = model.generate(prompt, tokens(count));
    const Ids ids = read(stream).ids;
    if (*plan == '\0') expected = ids;
    CHECK(ids == expected);
    CHECK(stream.finish()->usage.cached_tokens == (kept && *plan != '\0' ? 192U : 0U));
  }
}

TEST_CASE("replicas: any plan takes another's place under load, no stream notices, and nothing is left behind") {
  check_replacements(12, first_seed());
}

TEST_CASE("replicas: 200 plans, one in place of the other, under load", "[long]") {
  check_replacements(200, first_seed());
}

TEST_CASE("replicas: a graph that cannot be had leaves the one that serves", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const LoadOptions options{.threads = 1, .parallel = 2, .memory_limit = [&] {
                              std::uint64_t one = 0;
                              const LoadOptions alone{.threads = 1, .parallel = 2};
                              for (const auto& each : checkpoint.memory(checkpoint.expand(alone), alone))
                                one += each.total();
                              return one;
                            }()};
  const Model model = runtime.load(checkpoint, options);
  const Ids expected = continued(model, {1, 2, 3}, 8);
  CHECK(error_of([&] { (void)model.replace(checkpoint.expand({.threads = 1})); }).code() == Code::out_of_memory);
  Graph wrong = checkpoint.expand({.plan = "pp2", .threads = 1});
  wrong.nodes[0].kind = "lamp";
  CHECK_THAT(error_of([&] { (void)model.replace(wrong); }).message(), Contains("lamp"));
  CHECK_THAT(error_of([&] { (void)model.replace({}); }).message(), Contains("graph"));
  CHECK(continued(model, {1, 2, 3}, 8) == expected);
  CHECK(model.stats().replicas[0].number == 0);
}

TEST_CASE("replicas: they come and go under load, no stream notices, and nothing is left behind") {
  for (const char* plan : {"tp1", "pp2"}) check_changes(plan, 8, first_seed());
}

TEST_CASE("replicas: 200 changes under load", "[long]") { check_changes("pp2", 200, first_seed()); }

TEST_CASE("replicas: what is wrong is said, and nothing changes", "[bad-input]") {
  const Model model = Runtime().load(tiny_path(), {.threads = 1});
  CHECK(error_of([&] { model.drain(0); }).code() == Code::invalid_argument);
  CHECK(error_of([&] { model.drain(3); }).code() == Code::not_found);
  CHECK(error_of([&] { (void)model.replicate(0); }).code() == Code::invalid_argument);
  CHECK(error_of([&] { (void)model.replicate(1000); }).code() == Code::invalid_argument);
  CHECK(model.replicate(2) == Numbers{1, 2});
  model.drain(0);
  CHECK(error_of([&] { model.drain(0); }).code() == Code::not_found);
  CHECK(continued(model, {1, 2, 3}, 8).size() == 8);
}

TEST_CASE("replicas: who runs the model cannot wait for a change", "[bad-input]") {
  const Model model = Runtime().load(tiny_path(), {.threads = 1});
  std::optional<Error> grown, drained;
  model.logits({1, 2, 3}, false, [&](std::uint32_t, std::span<const float>) {
    grown = error_of([&] { (void)model.replicate(1); });
    drained = error_of([&] { model.drain(0); });
  });
  CHECK(grown->code() == Code::invalid_argument);
  CHECK(drained->code() == Code::invalid_argument);
}

TEST_CASE("replicas: the memory limit counts for those that come later too", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  LoadOptions options{.plan = "dp2", .threads = 1, .parallel = 2};
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) {
    options.memory_limit += actor.total();
  }
  options.plan = "tp1";
  const Model model = runtime.load(checkpoint, options);
  CHECK(model.replicate(1) == Numbers{1});
  CHECK(error_of([&] { (void)model.replicate(1); }).code() == Code::out_of_memory);
  model.drain(0);
  CHECK(model.replicate(1) == Numbers{3});
}

TEST_CASE("replicas: each has a queue of its own") {
  Gate gate;
  Runtime runtime;
  runtime.add_actor("held", factory_of([&](const StepView&) { gate.pass(); }));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand({.threads = 1}), "held", "logits"),
                                   {.parallel = 1, .queue = 1});
  std::vector<Generation> streams;
  const auto fill = [&] {
    const Error error = error_of([&] {
      for (;;) streams.push_back(model.generate(Ids{1, 2}, tokens(4)));
    });
    CHECK(error.code() == Code::queue_full);
    return streams.size();
  };
  CHECK(fill() == 2);
  CHECK(model.replicate(1) == Numbers{1});
  CHECK(fill() == 4);
  gate.open();
  for (Generation& stream : streams) CHECK(read(stream).ids.size() == 4);
}

}  // namespace troupe::testing
