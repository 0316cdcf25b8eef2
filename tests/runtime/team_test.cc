#include "runtime/device/cpu/team.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>

namespace troupe::testing {
namespace {

struct Dropped : std::runtime_error {
  using runtime_error::runtime_error;
};

}  // namespace

TEST_CASE("fault 6: what a thread of a team throws reaches its caller, wherever the others are", "[bad-input]") {
  for (const std::uint32_t threads : {1U, 2U, 4U}) {
    for (std::uint32_t thrower = 0; thrower < threads; ++thrower) {
      for (const int barriers : {0, 1, 7}) {
        INFO("thread " << thrower << " of " << threads << " throws after " << barriers << " barriers");
        Team team(threads, {.spins = 0}, {});
        std::atomic<std::uint32_t> left{0};
        const auto work = [&](std::uint32_t thread) {
          for (int i = 0; i < 10; ++i) {
            if (thread == thrower && i == barriers) throw Dropped("a plate");
            if (!team.barrier(thread)) break;
          }
          ++left;
        };
        for (int again = 0; again < 2; ++again) {
          CHECK_THROWS_AS(team.run(work), Dropped);
          CHECK(left == (threads == 1 ? 0 : threads - 1));  // nobody is still at work, and nobody began again
        }
      }
    }
  }
}

TEST_CASE("a team meets at every barrier, run after run") {
  Team team(3, {.spins = 0}, {});
  std::atomic<int> sum{0}, wrong{0};
  for (int run = 0; run < 200; ++run) {
    team.run([&](std::uint32_t thread) {
      ++sum;
      wrong += team.barrier(thread) && sum == 6 * run + 3 ? 0 : 1;
      wrong += team.barrier(thread) ? 0 : 1;
      ++sum;
    });
    CHECK(sum == 6 * run + 6);
  }
  CHECK(wrong == 0);
}

}  // namespace troupe::testing
