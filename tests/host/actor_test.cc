#include <atomic>
#include <cmath>
#include <limits>
#include <set>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const Ids prompt{104, 101, 108, 108, 111};

Model load(const Runtime& runtime, const std::string& path, const std::string& plan, const std::string& kind,
           const std::string& flows, std::uint32_t replicas = 8) {
  const LoadOptions options{.plan = plan, .threads = 1, .chunk = 16, .parallel = 4};
  const Checkpoint checkpoint = runtime.open(path);
  return runtime.load(checkpoint, with_actors(checkpoint.expand(options), kind, flows, replicas), options);
}

/// A tap that copies changes nothing, and sees every row; a filter that forbids a token is obeyed.
void check_tap_and_filter(const std::string& path, const std::vector<const char*>& plans, std::uint32_t count) {
  for (const char* plan : plans) {
    INFO(plan);
    Runtime runtime;
    std::atomic<std::size_t> rows{0}, wrong{0};
    std::atomic<TokenId> forbidden{-1};
    runtime.add_actor("tap", factory_of([&](const StepView& step) {
                        rows += step.rows.size();
                        wrong += step.in.rows == step.rows.size() && step.out.columns == step.in.columns ? 0 : 1;
                        for (std::size_t i = 0; i < step.in.rows; ++i)
                          wrong += std::isfinite(step.in.row(i)[0]) ? 0 : 1;
                      }));
    runtime.add_actor("filter", factory_of([&](const StepView& step) {
                        if (forbidden < 0) return;
                        for (std::size_t i = 0; i < step.out.rows; ++i) step.out.row(i)[forbidden] = -INFINITY;
                      }));
    const Model plain = runtime.load(path, {.plan = plan, .threads = 1});
    const Ids expected = continued(plain, prompt, count);
    CHECK(continued(load(runtime, path, plan, "tap", "hidden"), prompt, count) == expected);
    const bool staged = std::string(plan).find("pp") != std::string::npos;
    CHECK(rows == (staged ? prompt.size() + count - 1 : 0));

    const Model filtered = load(runtime, path, plan, "filter", "logits");
    CHECK(continued(filtered, prompt, count) == expected);  // it forbids nothing yet
    for (const TokenId id : std::set<TokenId>(expected.begin(), expected.begin() + 3)) {
      forbidden = id;
      const Ids others = continued(filtered, prompt, count);
      CHECK(std::find(others.begin(), others.end(), id) == others.end());
      CHECK(others != expected);
    }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("a tap changes nothing, and a filter is obeyed") {
  check_tap_and_filter(tiny_path(), {"pp2", "tp2", "dp2", "pp2.tp2"}, 40);
}

TEST_CASE("a tap changes nothing, and a filter is obeyed, with the real model") {
  if (const auto path = smollm2_path()) check_tap_and_filter(*path, {"dp2.pp2.tp2"}, 8);
}

TEST_CASE("an actor knows which row is whose") {
  Runtime runtime;
  std::mutex mutex;
  std::map<std::uint64_t, std::vector<std::uint32_t>> positions;
  runtime.add_actor("tap", factory_of([&](const StepView& step) {
                      const std::lock_guard lock(mutex);
                      for (const StepRow& row : step.rows) positions[row.request].push_back(row.position);
                    }));
  const Model model = load(runtime, tiny_path(), "pp2", "tap", "hidden");
  Generation a = model.generate(Ids(30, 1), tokens(10)), b = model.generate(Ids{2}, tokens(20));
  const std::uint64_t first = a.id(), second = b.id();
  REQUIRE(read(a).ids.size() == 10);
  REQUIRE(read(b).ids.size() == 20);
  for (const auto& [id, count] : {std::pair(first, 39U), std::pair(second, 20U)}) {
    REQUIRE(positions[id].size() == count);
    for (std::uint32_t i = 0; i < count; ++i) CHECK(positions[id][i] == i);
  }
}

TEST_CASE("an actor that throws ends the requests of its step, and nothing else", "[bad-input]") {
  for (const char* flows : {"hidden", "logits"}) {
    for (const char* plan : {"pp2", "pp2.tp2", "dp2.pp2"}) {
      INFO(plan << ", " << flows);
      Runtime runtime;
      std::atomic<std::uint32_t> bad{UINT32_MAX};
      std::atomic<bool> nameless{false};
      runtime.add_actor("clumsy", factory_of([&](const StepView& step) {
                          for (std::size_t i = 0; i < step.rows.size(); ++i) {
                            step.out.row(i)[0] = 1e9F;  // half written when it throws
                            if (step.rows[i].position == bad && nameless) throw 5;
                            if (step.rows[i].position == bad) throw std::runtime_error("dropped a plate");
                            step.out.row(i)[0] = step.in.row(i)[0];
                          }
                        }));
      const Model model = load(runtime, tiny_path(), plan, "clumsy", flows, 1);
      const Ids expected = continued(model, prompt, 40);
      bad = 20;
      const Outcome failed = outcome_of(model.generate(prompt, tokens(40)));
      REQUIRE(failed.code() == Code::failed);
      CHECK_THAT(failed.error->message(), Contains("actor clumsy") && Contains("threw: dropped a plate"));
      CHECK(failed.ids.size() <= 16);
      CHECK(std::equal(failed.ids.begin(), failed.ids.end(), expected.begin()));
      nameless = true;
      CHECK_THAT(outcome_of(model.generate(prompt, tokens(40))).error->message(), Contains("no std::exception"));

      std::vector<Generation> mixed;  // the short ones never come to that position
      for (int i = 0; i < 8; ++i) mixed.push_back(model.generate(prompt, tokens(i % 2 == 0 ? 40 : 5)));
      std::size_t failures = 0, whole = 0;
      for (Generation& stream : mixed) {
        const Outcome outcome = read(stream);
        failures += outcome.error ? 1 : 0;
        whole += outcome.error ? 0 : 1;
        CHECK(std::equal(outcome.ids.begin(), outcome.ids.end(), expected.begin()));
      }
      const bool two_replicas = std::string(plan).starts_with("dp2");
      CHECK(failures >= (two_replicas ? 1 : 4));
      CHECK(whole >= 1);
      bad = UINT32_MAX;
      CHECK(continued(model, prompt, 40) == expected);
    }
  }
}

TEST_CASE("a factory that fails fails the load", "[bad-input]") {
  Runtime runtime;
  runtime.add_actor("throws", [](const auto&) -> std::unique_ptr<Actor> { throw std::runtime_error("no costume"); });
  runtime.add_actor("nameless", [](const auto&) -> std::unique_ptr<Actor> { throw 5; });
  runtime.add_actor("none", [](const auto&) { return std::unique_ptr<Actor>(); });
  const auto refusal = [&](const char* kind) {
    return error_of([&] { (void)load(runtime, tiny_path(), "pp2.tp2", kind, "hidden"); }).message();
  };
  CHECK_THAT(refusal("throws"), Contains("(throws): its factory threw: no costume"));
  CHECK_THAT(refusal("nameless"), Contains("no std::exception"));
  CHECK_THAT(refusal("none"), Contains("made none"));
  CHECK_THAT(refusal("unknown"), Contains("kind \"unknown\""));
}

TEST_CASE("kinds of actors have names of their own", "[bad-input]") {
  Runtime runtime;
  const ActorFactory factory = factory_of([](const StepView&) {});
  runtime.add_actor("tap", factory);
  for (const char* name : {"shard", "sampler", "tap", ""}) {
    CHECK(error_of([&] { runtime.add_actor(name, factory); }).code() == Code::invalid_argument);
  }
  CHECK(error_of([&] { runtime.add_actor("other", nullptr); }).code() == Code::invalid_argument);
}

TEST_CASE("options of a node reach its actor") {
  Runtime runtime;
  std::map<std::string, std::string> seen;
  runtime.add_actor("tap", [&](const std::map<std::string, std::string>& options) {
    seen = options;
    return std::make_unique<Doing>([](const StepView&) {});
  });
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  Graph graph = checkpoint.expand(options);
  graph.insert({.name = "tap", .kind = "tap", .options = {{"file", "norms.txt"}}}, "r0.s0.t0:hidden",
               "r0.s1.t0:hidden");
  const Model model = runtime.load(checkpoint, parse_graph(to_toml(graph)), options);
  CHECK(seen == std::map<std::string, std::string>{{"file", "norms.txt"}});
}

}  // namespace troupe::testing
