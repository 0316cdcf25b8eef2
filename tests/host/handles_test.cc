#include <pthread.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

const Ids hello{104, 101, 108, 108, 111};

/// Every call is refused as one on something that has been moved from.
template <class... Calls>
void check_moved_from(const Calls&... calls) {
  for (const Error& error : {error_of(calls)...}) {
    CHECK(error.code() == Code::invalid_argument);
    CHECK(error.message().find("moved from") != std::string::npos);
  }
}

}  // namespace

TEST_CASE("fault 21: what has been moved from says so", "[bad-input]") {
  Runtime runtime;
  Checkpoint checkpoint = runtime.open(tiny_path());
  Model model = runtime.load(checkpoint, {.threads = 1});
  Generation stream = model.generate(hello, tokens(5));

  Generation there = std::move(stream);
  check_moved_from([&] { (void)stream.next(); }, [&] { stream.cancel(); }, [&] { (void)stream.id(); },
                   [&] { (void)stream.begin(); });
  CHECK(read(there).ids.size() == 5);
  stream = model.generate(hello, tokens(5));  // it can be used again
  CHECK(read(stream).ids.size() == 5);

  const Model other = std::move(model);
  check_moved_from([&] { (void)model.generate(hello); }, [&] { (void)model.generate("a"); },
                   [&] { model.logits({1}, false, [](auto, auto) {}); }, [&] { (void)model.checkpoint(); });
  CHECK(continued(other, hello, 5).size() == 5);

  const Checkpoint opened = std::move(checkpoint);
  check_moved_from([&] { (void)checkpoint.metadata(); }, [&] { (void)checkpoint.tensors(); },
                   [&] { (void)checkpoint.layers(); }, [&] { (void)checkpoint.context(); },
                   [&] { (void)checkpoint.vocabulary(); }, [&] { (void)checkpoint.tokenize("a"); },
                   [&] { (void)checkpoint.prompt("a"); }, [&] { (void)checkpoint.detokenize(hello); },
                   [&] { (void)checkpoint.expand({}); }, [&] { (void)checkpoint.memory({}, {}); },
                   [&] { (void)checkpoint.program({}, "a", {}); }, [&] { (void)checkpoint.plans(2); },
                   [&] { (void)runtime.load(checkpoint, LoadOptions{}); });

  Runtime house = std::move(runtime);
  check_moved_from([&] { (void)runtime.open(tiny_path()); }, [&] { (void)runtime.load(tiny_path()); },
                   [&] { (void)runtime.load(opened); }, [&] { runtime.add_actor("tap", factory_of([](auto&) {})); });
  CHECK(continued(house.load(opened, {.threads = 1}), hello, 5).size() == 5);
}

TEST_CASE("fault 21: another thread cancels a reader that waits", "[bad-input]") {
  Runtime runtime;
  Gate gate;
  runtime.add_actor("gate", factory_of([&](const StepView&) { gate.pass(); }));
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  Generation stream = model.generate(hello, tokens(50));
  Outcome outcome;
  std::thread reader([&] { outcome = read(stream); });
  gate.wait_for_arrival();
  stream.cancel();
  reader.join();  // although the step that it waits for has not come to its end
  CHECK(outcome.code() == Code::cancelled);
  gate.open();
}

TEST_CASE("fault 21: actors are added while models are loaded", "[bad-input]") {
  Runtime runtime;
  std::atomic<bool> over{false};
  std::thread adds([&] {
    for (int i = 0; i < 2000 && !over; ++i) runtime.add_actor("tap" + std::to_string(i), factory_of([](auto&) {}));
  });
  for (int i = 0; i < 20; ++i) (void)runtime.load(tiny_path(), {.threads = 1});
  over = true;
  adds.join();
}

TEST_CASE("fault 21: an actor, a factory and a sink keep the code of what they throw", "[bad-input]") {
  Runtime runtime;
  runtime.add_actor("factory",
                    [](const auto&) -> std::unique_ptr<Actor> { throw Error(Code::not_found, "no costume"); });
  runtime.add_actor("step", factory_of([](const StepView&) { throw Error(Code::unsupported, "not on Mondays"); }));
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto loaded = [&](const char* kind) {
    return runtime.load(checkpoint, with_actors(checkpoint.expand(options), kind, "hidden"), options);
  };
  const Error factory = error_of([&] { (void)loaded("factory"); });
  CHECK(factory.code() == Code::not_found);
  CHECK(factory.message().find("no costume") != std::string::npos);
  const Outcome step = outcome_of(loaded("step").generate(hello, tokens(5)));
  CHECK(step.code() == Code::unsupported);
  CHECK(step.error->message().find("not on Mondays") != std::string::npos);
  const Model model = runtime.load(checkpoint, options);
  const Error sink = error_of(
      [&] { model.logits({1}, false, [](auto, auto) { throw Error(Code::queue_full, "the host is full"); }); });
  CHECK(sink.code() == Code::queue_full);
}

TEST_CASE("fault 2: who has been let in is served, whoever comes at once", "[bad-input]") {
  const bool drops = GENERATE(false, true);  // a text that is dropped ends before what is under way of it
  const Runtime runtime;
  for (const auto& [parallel, queue, hosts] : {std::tuple(4U, 8U, 12), std::tuple(1U, 1U, 2), std::tuple(2U, 1U, 6)}) {
    for (const char* plan : {"tp1", "pp2", "dp2"}) {
      INFO("parallel " << parallel << ", queue " << queue << ", plan " << plan << ", drops " << drops);
      const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = parallel, .queue = queue});
      std::atomic<int> served{0}, refused{0}, wrong{0};
      std::vector<std::thread> clients;
      for (int host = 0; host < hosts; ++host) {
        clients.emplace_back([&] {
          for (int i = 0; i < 30; ++i) {
            std::optional<Generation> stream;
            try {
              stream = model.generate(hello, tokens(drops ? 100 : 1));
            } catch (const Error& error) {
              ++(error.code() == Code::queue_full ? refused : wrong);
              continue;
            }
            try {
              ++(stream->next() ? served : wrong);
              if (!drops && stream->next()) ++wrong;
            } catch (const Error&) {
              ++wrong;
            }
          }
        });
      }
      for (std::thread& client : clients) client.join();
      CHECK(wrong == 0);
      CHECK(served + refused == hosts * 30);
      const std::uint32_t places = (parallel + queue) * (std::string(plan) == "dp2" ? 2 : 1);
      if (!drops && static_cast<std::uint32_t>(hosts) <= places) CHECK(refused == 0);
      CHECK(served > 0);
    }
  }
}

TEST_CASE("fault 22: threads have names of their own, and leave the host's signals alone", "[bad-input]") {
  Runtime runtime;
  std::mutex mutex;
  std::vector<sigset_t> masks;
  runtime.add_actor("tap", factory_of([&](const StepView&) {
                      const std::lock_guard lock(mutex);
                      pthread_sigmask(SIG_SETMASK, nullptr, &masks.emplace_back());
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 2};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "tap", "hidden"), options);
  CHECK(continued(model, hello, 5).size() == 5);
  REQUIRE_FALSE(masks.empty());
  for (const sigset_t& mask : masks) {
    for (const int hosts : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM}) CHECK(sigismember(&mask, hosts) == 1);
    for (const int faults : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) CHECK(sigismember(&mask, faults) == 0);
  }
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  CHECK(sigismember(&mine, SIGTERM) == 0);

  std::size_t named = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name, key, blocked;
    std::getline(std::ifstream(task.path() / "comm"), name);
    std::ifstream status(task.path() / "status");
    while (status >> key && key != "SigBlk:") {
    }
    status >> blocked;
    const bool ours = name.starts_with("troupe.");
    named += ours ? 1 : 0;
    const auto mask = std::stoull(blocked, nullptr, 16);
    if (ours) CHECK(((mask >> (SIGTERM - 1)) & 1) == 1);
  }
  // Two shards of two threads each, an actor, a clock, who runs the actors' messages, and who makes replicas anew.
  CHECK(named == 8);
}

TEST_CASE("fault 3: callbacks may throw what has no words, and let go of what called them", "[bad-input]") {
  struct Mute final : std::exception {
    [[nodiscard]] const char* what() const noexcept override { return nullptr; }
  };
  Runtime runtime;
  runtime.add_actor("factory", [](const auto&) -> std::unique_ptr<Actor> { throw Mute(); });
  runtime.add_actor("step", factory_of([](const StepView&) { throw Mute(); }));
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto loaded = [&](const char* kind) {
    return runtime.load(checkpoint, with_actors(checkpoint.expand(options), kind, "hidden"), options);
  };
  CHECK(error_of([&] { (void)loaded("factory"); }).code() == Code::failed);
  const Model mute = loaded("step");
  for (int i = 0; i < 2; ++i) CHECK(outcome_of(mute.generate(hello, tokens(5))).code() == Code::failed);
  const Model model = runtime.load(checkpoint, options);
  CHECK(error_of([&] { model.logits({1}, false, [](auto, auto) { throw Mute(); }); }).code() == Code::failed);
  CHECK(continued(model, hello, 5).size() == 5);
  CHECK(error_of([&] { model.logits({1}, false, nullptr); }).code() == Code::invalid_argument);

  auto gone = std::make_unique<Runtime>();
  const Model kept = gone->load(tiny_path(), {.threads = 1, .progress = [&](double) { gone.reset(); }});
  CHECK(continued(kept, hello, 5).size() == 5);
}

}  // namespace troupe::testing
