#include "transport/waiter.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace troupe;
using namespace troupe::transport;
using namespace std::chrono_literals;

constexpr WaitPolicy policies[] = {{0}, {10}, {20000}};

TEST_CASE("a target that is reached counts before deadline and abort", "[transport][waiter]") {
  Counter counter;
  AbortFlag abort;
  abort.raise({Code::failed, "something else"});
  counter.advance();
  for (const WaitPolicy policy : policies) {
    CHECK(counter.wait_until(0, policy, Deadline{-1s}, abort, "it came").ok());
    CHECK(counter.wait_until(1, policy, Deadline{-1s}, abort, "it came").ok());
  }
}

TEST_CASE("a wait ends by its deadline and names what did not come", "[transport][waiter]") {
  Counter counter;
  const AbortFlag abort;
  for (const WaitPolicy policy : policies)
    for (const auto patience : {-1000ms, 0ms, 5ms}) {
      const auto start = Clock::now();
      const auto result = counter.wait_until(1, policy, Deadline{patience}, abort, "rank 3 arrived");
      REQUIRE(!result.ok());
      CHECK(Clock::now() >= start + patience);
      CHECK(result.error().code() == Code::deadline);
      CHECK(result.error().message() == "the deadline passed before rank 3 arrived");
    }
}

TEST_CASE("the first error raised is the one that counts", "[transport][waiter]") {
  AbortFlag abort;
  CHECK(!abort.raised());
  std::vector<std::thread> threads;
  std::vector<std::string> seen(4);
  for (std::size_t i = 0; i < seen.size(); ++i)
    threads.emplace_back([&, i] {
      abort.raise({Code::aborted, "thread " + std::to_string(i)});
      seen[i] = abort.error().message();
    });
  for (auto& thread : threads) thread.join();
  for (const auto& message : seen) CHECK(message == seen[0]);
}

TEST_CASE("an abort ends a wait that has no deadline", "[transport][waiter]") {
  for (int repetition = 0; repetition < 200; ++repetition) {
    Counter counter;
    AbortFlag abort;
    std::string message;
    std::thread waiter([&] {
      const auto result = counter.wait_until(1, policies[repetition % 3], Deadline{}, abort, "nothing that ever comes");
      message = result.ok() ? "ok" : result.error().message();
    });
    abort.raise({Code::aborted, "stop"});
    counter.interrupt();
    waiter.join();
    REQUIRE(message == "stop");
  }
}

TEST_CASE("no wake-up is lost between two threads that sleep at once", "[transport][waiter]") {
  constexpr std::uint64_t rounds = 30000;
  Counter ping, pong;
  const AbortFlag abort;
  const Deadline deadline{3600s};
  std::thread other([&] {
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      if (!ping.wait_until(round, {0}, deadline, abort, "ping")) return;
      pong.advance();
    }
  });
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    ping.advance();
    if (!pong.wait_until(round, {0}, deadline, abort, "pong")) break;
  }
  other.join();
  CHECK(pong.value() == rounds);
}

TEST_CASE("one counter is a barrier for many threads, and what was written before is seen after",
          "[transport][waiter]") {
  constexpr std::uint64_t threads = 6, rounds = 400;
  for (const WaitPolicy policy : {WaitPolicy{0}, WaitPolicy{100}}) {
    Counter arrived;
    const AbortFlag abort;
    const Deadline deadline{3600s};
    std::vector<std::uint64_t> written(threads * rounds);  // plain memory: the barrier is what orders it
    std::vector<std::uint64_t> wrong(threads);
    std::vector<std::thread> team;
    for (std::uint64_t self = 0; self < threads; ++self)
      team.emplace_back([&, self] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
          written[round * threads + self] = round + 1;
          arrived.advance();
          if (!arrived.wait_until((round + 1) * threads, policy, deadline, abort, "the team")) ++wrong[self];
          for (std::uint64_t other = 0; other < threads; ++other)
            if (written[round * threads + other] != round + 1) ++wrong[self];
        }
      });
    for (auto& thread : team) thread.join();
    CHECK(wrong == std::vector<std::uint64_t>(threads, 0));
    CHECK(arrived.value() == threads * rounds);
  }
}

}  // namespace
