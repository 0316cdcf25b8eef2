#include <thread>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const Ids hello{104, 101, 108, 108, 111};

}  // namespace

TEST_CASE("a stream that is dropped midway harms no other", "[bad-input]") {
  const Runtime runtime;
  for (const char* plan : {"tp1", "pp2", "dp2.tp2"}) {
    const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = 3});
    const Ids alone = continued(model, hello, 60);
    for (int round = 0; round < 10; ++round) {
      std::vector<Generation> others;
      for (int i = 0; i < 4; ++i) others.push_back(model.generate(hello, tokens(60)));
      {
        Generation dropped = model.generate({1, 2, 3}, tokens(200));
        for (int i = 0; i < round; ++i) REQUIRE(dropped.next());
      }
      for (Generation& other : others) REQUIRE(read(other).ids == alone);
    }
  }
}

TEST_CASE("a cancelled request says so and makes room", "[bad-input]") {
  Runtime runtime;
  Gate gate;  // so that the long one has not come to its end, however late this thread is
  std::atomic<int> steps = 0;
  runtime.add_actor("gate", factory_of([&](const StepView&) {
                      if (steps++ >= 5) gate.pass();
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 1, .parallel = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  Generation long_one = model.generate(hello, tokens(240));
  Generation waits = model.generate(hello, tokens(5));
  Generation behind = model.generate(hello, tokens(5));
  REQUIRE(long_one.next());
  long_one.cancel();
  waits.cancel();
  gate.open();
  CHECK(read(long_one).code() == Code::cancelled);
  CHECK(read(waits).code() == Code::cancelled);
  CHECK(read(behind).ids.size() == 5);
  behind.cancel();
  CHECK_FALSE(behind.next());
  CHECK_THROWS_AS((void)long_one.next(), Error);  // it stays so
}

TEST_CASE("a deadline ends its request, and no other", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.plan = "pp2", .threads = 1});
  const auto within = [&](std::chrono::milliseconds time) {
    GenerateOptions options = tokens(240);
    options.deadline = time;
    return outcome_of(model.generate(hello, options));
  };
  Generation other = model.generate(hello, tokens(240));
  for (const auto& time :
       {std::chrono::milliseconds(0), std::chrono::milliseconds(-5), std::chrono::milliseconds::min()}) {
    const Outcome late = within(time);
    REQUIRE(late.code() == Code::deadline);
    CHECK_THAT(late.error->message(), Contains("deadline"));
  }
  CHECK(within(std::chrono::hours(1)).ids.size() == 240);
  CHECK(within(std::chrono::milliseconds::max()).ids.size() == 240);
  CHECK(read(other).ids.size() == 240);
}

TEST_CASE("a full queue says so at once, and has room again later", "[bad-input]") {
  Runtime runtime;
  Gate gate;
  runtime.add_actor("gate", factory_of([&](const StepView&) { gate.pass(); }));
  const LoadOptions options{.plan = "pp2", .threads = 1, .parallel = 2, .queue = 3};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  std::vector<Generation> streams;
  for (int i = 0; i < 5; ++i) streams.push_back(model.generate(hello, tokens(3)));
  gate.wait_for_arrival();
  const Error refused = error_of([&] { (void)model.generate(hello, tokens(3)); });
  CHECK(refused.code() == Code::queue_full);
  CHECK_THAT(refused.message(), Contains("5 requests run or wait"));
  gate.open();
  for (Generation& stream : streams) CHECK(read(stream).ids.size() == 3);
  CHECK(outcome_of(model.generate(hello, tokens(3))).ids.size() == 3);
}

TEST_CASE("a stream goes on when the model and the runtime that made it are gone") {
  const auto begin = [] {
    const Runtime runtime;
    const Model model = runtime.load(tiny_path(), {.plan = "pp2", .threads = 1});
    return model.generate(hello, tokens(100));
  };
  Generation stream = begin();
  CHECK(read(stream).ids.size() == 100);
  stream = begin();  // the first one's model ends here
  REQUIRE(stream.next());
  Generation moved = std::move(stream);
  REQUIRE(moved.next());  // dropped in the middle, with its model
}

TEST_CASE("models stand side by side in one runtime, and runtimes in one process") {
  const Runtime first, second({.control_threads = 2});
  const Model a = first.load(tiny_path(), {.plan = "tp2", .threads = 1});
  const Model b = first.load(tiny_path(), {.plan = "pp3", .threads = 1});
  const Model c = second.load(tiny_path(), {.plan = "dp2", .threads = 1});
  std::vector<Generation> streams;
  for (const Model* model : {&a, &b, &c, &a, &b, &c}) streams.push_back(model->generate(hello, tokens(80)));
  const Ids expected = read(streams[0]).ids;
  REQUIRE(expected.size() == 80);
  for (std::size_t i = 1; i < streams.size(); ++i) CHECK(read(streams[i]).ids == expected);
}

TEST_CASE("many short requests of several threads all get their own tokens") {
  const Runtime runtime;
  for (const char* plan : {"pp2", "dp2", "pp2.tp2"}) {
    const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = 5});
    std::vector<Ids> prompts, expected;
    for (int i = 0; i < 8; ++i) {
      prompts.emplace_back(1 + i * i, 10 + i);
      expected.push_back(continued(model, prompts.back(), 1 + i));
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> hosts;
    for (int host = 0; host < 4; ++host) {
      hosts.emplace_back([&, host] {
        for (int i = 0; i < 40; ++i) {
          const std::size_t mine = static_cast<std::size_t>(host + i) % prompts.size();
          const auto count = static_cast<std::uint32_t>(expected[mine].size());
          if (outcome_of(model.generate(prompts[mine], tokens(count))).ids != expected[mine]) ++wrong;
        }
      });
    }
    for (std::thread& host : hosts) host.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("fault 25: a model is closed while everything is under way") {
  for (std::size_t round = 0; round < 20; ++round) {
    Gate gate;
    std::atomic<std::size_t> steps = 0;
    Runtime runtime;
    runtime.add_actor("gate", factory_of([&](const StepView&) {
                        if (steps++ >= round) gate.pass();
                      }));
    const LoadOptions options{.plan = round % 2 == 0 ? "pp2.tp2" : "dp2", .threads = 1, .parallel = 4};
    const Checkpoint checkpoint = runtime.open(tiny_path());
    std::optional<Model> model =
        runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "logits"), options);
    std::vector<Generation> streams;
    for (int i = 0; i < 6; ++i) streams.push_back(model->generate(hello, tokens(200)));
    gate.wait_for_arrival();
    REQUIRE(steps < 200);  // no stream has come to its end, and a step is in the actor's hands
    std::thread opener([&] { gate.open(); });
    streams.clear();
    model.reset();
    opener.join();
  }
}

}  // namespace troupe::testing
