#include <algorithm>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "tests/host/brittle.hpp"
#include "tests/host/faulty.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// Threads and descriptors of this process.
struct Belongings {
  std::size_t threads = count("/proc/self/task"), descriptors = count("/proc/self/fd");

  static std::size_t count(const char* folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }
  friend bool operator==(const Belongings&, const Belongings&) = default;
};

constexpr std::uint32_t count = 24, streams = 8;

Ids prompt_of(std::uint32_t stream) {
  Ids ids;
  for (std::uint32_t i = 0; i < 3 + stream * 9; ++i) ids.push_back(static_cast<TokenId>((stream * 31 + i * 7) % 250));
  return ids;
}

/// Every other one is sampled, half of these with what looks back.
GenerateOptions request_of(std::uint32_t stream) {
  GenerateOptions options = tokens(count);
  if (stream % 2 == 1) options.sampling = {.temperature = 1.0F, .top_k = 40, .top_p = 0.95F, .seed = stream};
  if (stream % 4 == 3) {
    options.sampling.frequency_penalty = 0.2F;
    options.sampling.dry_multiplier = 0.5F;
    options.sampling.mirostat = true;
  }
  return options;
}

struct Text {
  Ids ids;
  std::string text;
  friend bool operator==(const Text&, const Text&) = default;
};

Text text_of(Generation& stream) {
  Text text;
  while (auto token = stream.next()) {
    if (token->id != no_token) text.ids.push_back(token->id);
    text.text += token->text;
  }
  return text;
}

std::vector<Text> texts_of(const Model& model) {
  std::vector<Generation> all;
  for (std::uint32_t i = 0; i < streams; ++i) all.push_back(model.generate(prompt_of(i), request_of(i)));
  std::vector<Text> texts;
  for (Generation& each : all) texts.push_back(text_of(each));
  return texts;
}

std::vector<Text> undisturbed() { return texts_of(Runtime().load(tiny_path(), {.threads = 1, .parallel = 4})); }

/// Arms a fault that is drawn: instead of a step, or within one. The call disarms it, and says whether it has struck.
std::function<bool()> arm_one(std::size_t kind, Faults& faults, Random& random) {
  if (kind == 0) {
    BrittleKernels::arm(1 + random() % 4000);
    return BrittleKernels::end;
  }
  if (kind == 1) {
    Refusal::counted_allocation(1 + random() % 100);
    return Refusal::end;
  }
  constexpr Fault instead[] = {Fault::throws, Fault::no_memory, Fault::silent};
  faults.arm(instead[kind - 2], 1 + random() % 60);
  return [&faults] { return faults.struck(); };
}
constexpr std::size_t kinds = 5;

/// What no request holds any more is given back: places and blocks.
bool all_given_back(const Model& model) {
  const Stats stats = model.stats();
  return stats.queued == 0 && stats.running == 0 &&
         std::all_of(stats.replicas.begin(), stats.replicas.end(), [](const ReplicaStats& replica) {
           return replica.state == ReplicaState::serving && replica.queued == 0 && replica.running == 0 &&
                  replica.kv_used == 0;
         });
}

/// Rounds of streams, each with a fault at a random step, until there have been so many.
void check_faults(const LoadOptions& options, std::uint32_t seed, std::size_t faults) {
  INFO(options.plan << ", threads " << options.threads << ", seed " << seed);
  Random random(seed);
  const std::vector<Text> expected = undisturbed();
  FaultyHouse house(options, {.shard = make_brittle_shard});
  REQUIRE(texts_of(*house.model) == expected);
  const Belongings before;
  std::size_t struck = 0, of_kind[kinds] = {};
  while (struck < faults) {
    const std::size_t kind = random() % kinds;
    INFO("fault " << struck << ", of kind " << kind);
    const auto ended = arm_one(kind, *house.faults, random);
    REQUIRE(texts_of(*house.model) == expected);
    if (!ended()) continue;
    ++struck;
    ++of_kind[kind];
  }
  REQUIRE(texts_of(*house.model) == expected);
  // A second replica may still be on its way back.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(10);
  const auto nothing_left = [&] { return Belongings() == before && all_given_back(*house.model); };
  while (!nothing_left() && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  CHECK(Belongings() == before);
  CHECK(all_given_back(*house.model));
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    INFO("kind " << kind);
    if (faults > 50) CHECK(of_kind[kind] > 0);
  }
}

void check_faults_of_all_plans(std::size_t faults) {
  for (const char* plan : {"tp1", "tp2", "pp2", "dp2", "pp2.tp2", "sp2", "cp2"}) {
    check_faults({.plan = plan, .threads = 1, .chunk = 32, .parallel = 4}, first_seed(), faults);
  }
  check_faults({.plan = "tp1", .threads = 2, .chunk = 32, .parallel = 4}, first_seed(), faults);
}

}  // namespace

TEST_CASE("restart: streams are those of an undisturbed run, whatever breaks", "[bad-input]") {
  check_faults_of_all_plans(6);
}

TEST_CASE("restart: 500 failures leave every stream as it is, and nothing behind", "[long]") {
  check_faults_of_all_plans(84);
}

TEST_CASE("restart: logits of every position come once, in order, whatever breaks", "[bad-input]") {
  FaultyHouse house({.plan = "pp2", .threads = 1, .chunk = 16});
  const Ids ids = prompt_of(7);
  const auto logits = [&] {
    std::vector<std::vector<float>> rows;
    house.model->logits(ids, true, [&](std::uint32_t position, std::span<const float> row) {
      CHECK(position == rows.size());
      rows.emplace_back(row.begin(), row.end());
    });
    return rows;
  };
  const auto expected = logits();
  REQUIRE(expected.size() == ids.size());
  for (std::int64_t step = 1; step <= 10; step += 3) {  // of five, on two shards
    house.faults->arm(Fault::throws, step);
    CHECK(logits() == expected);
    CHECK(house.faults->struck());
  }
}

TEST_CASE("restart: five times in a minute, and then its error", "[bad-input]") {
  std::mutex mutex;
  std::size_t broken = 0, back = 0;
  constexpr actors::RestartLimit five{5, std::chrono::hours(1)};  // a minute may pass on a busy machine
  FaultyHouse house({.threads = 1}, {.limit = five, .log = [&](LogLevel level, std::string_view line) {
                                       const std::lock_guard lock(mutex);
                                       broken += level == LogLevel::error ? 1 : 0;
                                       back += line.ends_with("is back") ? 1 : 0;
                                     }});
  const Ids expected = continued(*house.model, {1, 2, 3}, count);
  for (int i = 0; i < 5; ++i) {
    house.faults->arm(Fault::throws, 10);
    CHECK(continued(*house.model, {1, 2, 3}, count) == expected);
  }
  house.faults->arm(Fault::throws, 10);
  const Outcome last = outcome_of(house.model->generate(Ids{1, 2, 3}, tokens(count)));
  CHECK(last.code() == Code::aborted);
  CHECK_THAT(last.error->message(), Contains("replica 0 has failed: a step threw"));
  CHECK(std::equal(last.ids.begin(), last.ids.end(), expected.begin()));
  const Outcome late = outcome_of(house.model->generate(Ids{1, 2, 3}, tokens(count)));
  CHECK(late.code() == Code::aborted);
  CHECK(late.ids.empty());
  house.model.reset();
  CHECK(broken == 6);
  CHECK(back == 5);
}

TEST_CASE("restart: a host's actor is made anew with its replica, and sees what is computed again", "[bad-input]") {
  std::atomic<int> made{0}, gone{0}, rows{0};
  struct Counting : Actor {
    Counting(std::atomic<int>& lives, std::atomic<int>& deaths, std::atomic<int>& seen) : ends(deaths), sees(seen) {
      ++lives;
    }
    ~Counting() override { ++ends; }
    void on_step(const StepView& step) override { sees += static_cast<int>(step.rows.size()); }
    std::atomic<int>&ends, &sees;
  };
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  const LoadOptions options{.threads = 1, .prefix_cache = false};
  FaultyHouse house(
      checkpoint, with_actors(checkpoint.expand(options), "counting", "logits"), options,
      {.actors = {{"counting", [&](const auto&) { return std::make_unique<Counting>(made, gone, rows); }}}});
  const Ids expected = continued(*house.model, {1, 2, 3}, count);
  const int undisturbed = rows;
  CHECK(made == 1);
  house.faults->arm(Fault::throws, 10);
  CHECK(continued(*house.model, {1, 2, 3}, count) == expected);
  CHECK(made == 2);
  CHECK(gone == 1);
  CHECK(rows >= 2 * undisturbed);
  (void)house.model->replicate();
  CHECK(made == 3);
  house.model->drain(0);
  CHECK(gone == 2);
  CHECK(continued(*house.model, {1, 2, 3}, count) == expected);
}

TEST_CASE("restart: what an actor of the host's throws breaks nothing", "[bad-input]") {
  std::atomic<int> made{0};
  Runtime runtime;
  std::atomic<bool> bad{false};
  runtime.add_actor("moody", [&](const auto&) {
    ++made;
    return std::make_unique<Doing>([&](const StepView&) {
      if (bad) throw Error(Code::failed, "not today");
    });
  });
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand({.threads = 1}), "moody", "logits"), {});
  const Ids expected = continued(model, {1, 2, 3}, count);
  bad = true;
  const Outcome outcome = outcome_of(model.generate(Ids{1, 2, 3}, tokens(count)));
  CHECK(outcome.code() == Code::failed);
  bad = false;
  CHECK(continued(model, {1, 2, 3}, count) == expected);
  CHECK(made == 1);
}

}  // namespace troupe::testing
