#include "tests/host/house.hpp"
#include "tests/scarcity/refusal.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

struct Way {
  const char* plan;
  std::uint32_t threads;
  bool fusion;
};
const Way ways[] = {{"tp1", 1, true}, {"tp1", 1, false}, {"tp1", 2, true},     {"tp2", 1, true}, {"tp2", 1, false},
                    {"pp2", 1, true}, {"dp2", 1, true},  {"pp2.tp2", 1, true}, {"sp2", 1, true}};

LoadOptions options_of(const Way& way) {
  return {.plan = way.plan, .threads = way.threads, .chunk = 64, .parallel = 4, .fusion = way.fusion};
}

Ids prompt_of(std::size_t size, TokenId from) {
  Ids ids(size);
  for (std::size_t i = 0; i < size; ++i) ids[i] = from + static_cast<TokenId>(i % 50);
  return ids;
}

constexpr std::uint32_t count = 20;

/// Two in their second block from the prompt on, one that comes into it while it decodes, one that does not.
const std::vector<Ids>& prompts() {
  static const std::vector<Ids> all{prompt_of(70, 1), prompt_of(60, 5), prompt_of(3, 9), prompt_of(90, 20)};
  return all;
}

std::vector<Outcome> all_at_once(const Model& model) {
  std::vector<Generation> streams;
  for (const Ids& prompt : prompts()) streams.push_back(model.generate(prompt, tokens(count)));
  std::vector<Outcome> outcomes;
  for (Generation& stream : streams) outcomes.push_back(read(stream));
  return outcomes;
}

std::vector<Ids> undisturbed(const Checkpoint& checkpoint, const Runtime& runtime) {
  const Model model = runtime.load(checkpoint, {.threads = 1});
  std::vector<Ids> ids;
  for (const Ids& prompt : prompts()) ids.push_back(continued(model, prompt, count));
  return ids;
}

/// Returns how many have failed; those that have not are undisturbed.
std::size_t check_failures(const std::vector<Outcome>& outcomes, const std::vector<Ids>& expected) {
  std::size_t failed = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    INFO("request " << i);
    CHECK(std::equal(outcomes[i].ids.begin(), outcomes[i].ids.end(), expected[i].begin()));
    if (!outcomes[i].error) {
      CHECK(outcomes[i].ids.size() == count);
      continue;
    }
    ++failed;
    CHECK(outcomes[i].code() == Code::out_of_memory);
    CHECK_THAT(outcomes[i].error->message(), Contains("KV cache") && Contains("bytes"));
  }
  return failed;
}

}  // namespace

TEST_CASE("fault 5: one block that cannot be had ends its request alone", "[bad-input]") {
  const Refusal::Own own;
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const std::vector<Ids> expected = undisturbed(checkpoint, runtime);
  for (const Way& way : ways) {
    for (std::int64_t n = 1;; ++n) {
      INFO(way.plan << ", threads " << way.threads << ", fusion " << way.fusion << ", mapping " << n);
      const Model model = runtime.load(checkpoint, options_of(way));
      Refusal::mapping(n);
      const std::size_t failed = check_failures(all_at_once(model), expected);
      const bool refused = Refusal::end();
      REQUIRE(failed == (refused ? 1 : 0));
      REQUIRE(check_failures(all_at_once(model), expected) == 0);
      if (!refused) {
        CHECK(n > 2);  // even if one came after the other, each needs two
        break;
      }
    }
  }
}

TEST_CASE("fault 5: while no block can be had every request says so, and later ones get their tokens", "[bad-input]") {
  const Refusal::Own own;
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const std::vector<Ids> expected = undisturbed(checkpoint, runtime);
  for (const Way& way : ways) {
    INFO(way.plan << ", threads " << way.threads << ", fusion " << way.fusion);
    const Model model = runtime.load(checkpoint, options_of(way));
    for (int round = 0; round < 3; ++round) {
      Refusal::mapping(1, 1'000'000);
      const std::vector<Outcome> outcomes = all_at_once(model);
      REQUIRE(Refusal::end());
      REQUIRE(check_failures(outcomes, expected) == outcomes.size());
      const Error error = error_of([&] {
        Refusal::mapping(1, 1'000'000);
        model.logits(prompts()[0], true, [](auto, auto) {});
      });
      Refusal::end();
      CHECK(error.code() == Code::out_of_memory);
    }
    REQUIRE(check_failures(all_at_once(model), expected) == 0);
  }
}

}  // namespace troupe::testing
