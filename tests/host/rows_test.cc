#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <random>

#include "tests/host/house.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using namespace std::string_literals;

struct Row {
  TokenId token;
  std::string user;
};
using Rows = std::map<std::uint64_t, std::map<std::uint32_t, std::vector<Row>>>;  // by request and position

Graph with(const Checkpoint& checkpoint, const LoadOptions& options, const char* flows) {
  return with_actors(checkpoint.expand(options), "tap", flows);
}

}  // namespace

TEST_CASE("actors see each row's token and user, in prefill and decode, between any nodes") {
  for (const char* flows : {"hidden", "logits"}) {
    for (const char* plan : {"pp2", "pp2.tp2", "pp3", "dp2.pp2.tp2"}) {
      INFO(plan << ", " << flows);
      Runtime runtime;
      std::mutex mutex;
      Rows rows;
      runtime.add_actor("tap", factory_of([&](const StepView& step) {
                          const std::lock_guard lock(mutex);
                          for (const StepRow& row : step.rows) {
                            rows[row.request][row.position].push_back({row.token, std::string(row.user)});
                          }
                        }));
      const LoadOptions options{.plan = plan, .threads = 1, .chunk = 6, .parallel = 5};
      const Checkpoint checkpoint = runtime.open(tiny_path());
      const Model model = runtime.load(checkpoint, with(checkpoint, options, flows), options);
      Random random(first_seed());
      std::vector<Generation> streams;
      std::vector<Ids> prompts;
      for (std::size_t i = 0; i < 12; ++i) {  // slots are taken again by others
        prompts.emplace_back(1 + random() % 20);
        for (TokenId& id : prompts.back()) id = static_cast<TokenId>(random() % 256);
        GenerateOptions request = tokens(1 + random() % 25);
        request.user = "user\0"s + std::to_string(i);
        streams.push_back(model.generate(prompts.back(), request));
      }
      for (std::size_t i = 0; i < streams.size(); ++i) {
        const Outcome outcome = read(streams[i]);
        REQUIRE_FALSE(outcome.error);
        Ids all = prompts[i];
        all.insert(all.end(), outcome.ids.begin(), outcome.ids.end());
        const std::lock_guard lock(mutex);
        const auto& seen = rows[streams[i].id()];
        const bool hidden = std::string(flows) == "hidden";
        CHECK(seen.size() == all.size() - 1 - (hidden ? 0 : prompts[i].size() - 1));
        for (const auto& [position, each] : seen) {
          INFO("request " << i << ", position " << position);
          REQUIRE(position < all.size());
          for (const Row& row : each) {
            REQUIRE(row.token == all[position]);
            REQUIRE(row.user == "user\0"s + std::to_string(i));
          }
        }
      }
    }
  }
}

TEST_CASE("logits, too, are asked for with a user") {
  Runtime runtime;
  std::mutex mutex;
  std::string user;
  runtime.add_actor("tap", factory_of([&](const StepView& step) {
                      const std::lock_guard lock(mutex);
                      user = step.rows[0].user;
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with(checkpoint, options, "hidden"), options);
  LogitsOptions asked;
  asked.user = "auditor";
  model.logits(
      {1, 2, 3}, true, [](auto, auto) {}, asked);
  CHECK(user == "auditor");
}

TEST_CASE("an actor fails one row's request, and no other notices", "[bad-input]") {
  for (const char* flows : {"hidden", "logits"}) {
    for (const char* plan : {"pp2", "pp2.tp2"}) {
      INFO(plan << ", " << flows);
      Runtime runtime;
      std::atomic<int> refused{0};
      runtime.add_actor("tap", factory_of([&](const StepView& step) {
                          for (std::size_t i = 0; i < step.rows.size(); ++i) {
                            if (step.rows[i].user != "bad" || step.rows[i].position < 12) continue;
                            step.out.row(i)[0] = NAN;  // counts for nothing
                            step.fail(i, Error(Code::out_of_range, "a rude\nword"));
                            step.fail(i, Error(Code::failed, "the first counts"));
                          }
                          try {
                            step.fail(step.rows.size(), Error(Code::failed, "none"));
                          } catch (const Error& error) {
                            refused += error.code() == Code::invalid_argument ? 1 : 0;
                          }
                        }));
      const LoadOptions options{.plan = plan, .threads = 1, .chunk = 6, .parallel = 8};
      const Checkpoint checkpoint = runtime.open(tiny_path());
      const Model model = runtime.load(checkpoint, with(checkpoint, options, flows), options);
      const Ids expected = continued(model, {1, 2, 3}, 30);
      std::vector<Generation> good, bad;
      for (int i = 0; i < 4; ++i) {
        good.push_back(model.generate(Ids{1, 2, 3}, tokens(30)));
        GenerateOptions request = tokens(30);
        request.user = "bad";
        bad.push_back(model.generate(Ids{1, 2, 3}, request));
      }
      for (Generation& stream : good) CHECK(read(stream).ids == expected);
      for (Generation& stream : bad) {
        const Outcome outcome = read(stream);
        REQUIRE(outcome.error);
        CHECK(outcome.code() == Code::out_of_range);
        CHECK_THAT(outcome.error->message(), Contains("actor tap") && Contains("a rude"));
        CHECK(outcome.error->message().find('\n') == std::string::npos);
        CHECK(outcome.ids.size() == 10);
        CHECK(std::equal(outcome.ids.begin(), outcome.ids.end(), expected.begin()));
        CHECK(stream.finish()->reason == FinishReason::error);
      }
      CHECK(refused > 0);
      CHECK(continued(model, {1, 2, 3}, 30) == expected);
    }
  }
}

}  // namespace troupe::testing
