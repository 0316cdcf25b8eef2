#include <atomic>
#include <thread>

#include "tests/host/few_cores.hpp"
#include "tests/host/house.hpp"
#include "tests/scarcity/refusal.hpp"

namespace troupe::testing {
namespace {

const Ids prompt{104, 101, 108, 108, 111};
constexpr std::uint32_t count = 4;

bool allowed(const Outcome& outcome, const Ids& expected) {
  if (!outcome.error) return outcome.ids == expected;
  return outcome.code() == Code::out_of_memory || outcome.code() == Code::aborted || outcome.code() == Code::failed;
}

struct Sweep {
  std::int64_t allocations = 0, failed = 0, unusable = 0;
};

/// Every model that has become unusable is closed, and its runtime with it.
Sweep sweep(const Checkpoint& checkpoint, const LoadOptions& options, const GenerateOptions& request) {
  auto runtime = std::make_unique<Runtime>();
  std::optional<Model> model = runtime->load(checkpoint, options);
  const Ids expected = outcome_of(model->generate(prompt, request)).ids;
  REQUIRE(expected.size() == count);
  Sweep result;
  for (std::int64_t n = 1;; ++n) {
    INFO("allocation " << n);
    Refusal::allocation(n);
    const Outcome outcome = outcome_of(model->generate(prompt, request));
    const bool refused = Refusal::end();
    REQUIRE(allowed(outcome, expected));
    const Outcome next = outcome_of(model->generate(prompt, request));
    REQUIRE(allowed(next, expected));
    result.failed += outcome.error ? 1 : 0;
    if (next.error) {
      ++result.unusable;
      model.reset();
      runtime.reset();
      runtime = std::make_unique<Runtime>();
      model = runtime->load(checkpoint, options);
    }
    if (refused) continue;
    CHECK_FALSE(outcome.error);
    result.allocations = n - 1;
    return result;
  }
}

}  // namespace

TEST_CASE("fault 6: whichever allocation of a request fails, the process lives and nobody waits for ever",
          "[bad-input]") {
  const Refusal::Own own;
  const FewCores two;  // their threads run the actors that they wake
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  GenerateOptions random = tokens(count);
  random.sampling = {
      .temperature = 1.0F, .top_k = 40, .top_p = 0.9F, .seed = 3, .frequency_penalty = 0.1F, .dry_multiplier = 1.0F};
  random.sampling.mirostat = true;
  GenerateOptions timed = tokens(count);
  timed.deadline = std::chrono::hours(1);
  for (const LoadOptions& options :
       {LoadOptions{.plan = "tp1", .threads = 1}, LoadOptions{.plan = "tp1", .threads = 2},
        LoadOptions{.plan = "tp2", .threads = 1}, LoadOptions{.plan = "pp2", .threads = 1}}) {
    for (const GenerateOptions& request : {tokens(count), random, timed}) {
      INFO(options.plan << ", threads " << options.threads << ", temperature " << request.sampling.temperature);
      const Sweep swept = sweep(checkpoint, options, request);
      INFO("of " << swept.allocations << " allocations refused, " << swept.failed << " failed the request, "
                 << swept.unusable << " the model");
      CHECK(swept.allocations > 20);
    }
  }
}

TEST_CASE("whichever allocation of a load fails, it says so, and the next one succeeds", "[bad-input]") {
  const Refusal::Own own;
  const FewCores two;
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  for (const char* plan : {"tp1", "pp2.tp2", "sp2"}) {
    const LoadOptions options{.plan = plan, .threads = 1};
    std::string said;
    const Runtime runtime({.log = [&](LogLevel level, std::string_view line) {
      if (level == LogLevel::error) said = line;
    }});
    for (std::int64_t n = 1, refused = 1; refused != 0; ++n) {
      INFO(plan << ", allocation " << n);
      said.clear();
      Refusal::counted_allocation(n);
      std::optional<Code> why;
      std::optional<Model> model;
      std::thread([&] {
        const Refusal::Counted counted;
        try {
          model = runtime.load(checkpoint, options);
        } catch (const Error& error) {
          why = error.code();
        }
      }).join();
      refused = Refusal::end() ? 1 : 0;
      CHECK((!why || why == Code::out_of_memory || why == Code::failed || why == Code::aborted));
      CHECK(said.find("progress") == std::string::npos);
      if (refused == 0) CHECK(n > 100);
    }
    CHECK(continued(runtime.load(checkpoint, options), prompt, count).size() == count);
  }
}

TEST_CASE("whichever allocation of a stream by callbacks fails, it ends once", "[bad-input]") {
  const Refusal::Own own;
  const FewCores two;
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  GenerateOptions request = tokens(count);
  request.stop = {"never said"};
  request.logprobs = 3;
  request.user = "a user whose bytes take memory";
  for (const char* plan : {"tp1", "pp2"}) {
    const LoadOptions options{.plan = plan, .threads = 1};
    std::int64_t failed = 0, whole = 0;
    for (std::int64_t n = 1;; ++n) {
      INFO(plan << ", allocation " << n);
      std::atomic<int> ends{0}, seen{0}, late{0};
      bool taken = true, refused = false;
      {
        const Runtime runtime;
        const Model model = runtime.load(checkpoint, options);
        (void)continued(model, prompt, count);  // what is made once is there
        const StreamCallbacks callbacks{.on_token =
                                            [&](const Request&, const Token&) {
                                              ++seen;
                                              late += ends;
                                            },
                                        .on_finish = [&](const Request&, const Finish&) { ++ends; }};
        Refusal::allocation(n);
        try {
          (void)model.generate(prompt, request, callbacks);
        } catch (const Error& error) {
          taken = false;
          CHECK(error.code() == Code::out_of_memory);
        }
        Outcome next;
        try {
          next = outcome_of(model.generate(prompt, tokens(count)));
        } catch (const Error& error) {
          next.error = error;
        }
        refused = Refusal::end();
      }
      REQUIRE(ends == (taken ? 1 : 0));
      REQUIRE(late == 0);
      ++(taken && seen == static_cast<int>(count) ? whole : failed);
      if (!refused) break;
    }
    CHECK(failed > 0);  // while most make the replica anew, and the stream goes on
    CHECK(whole > 0);
  }
}

}  // namespace troupe::testing
