#include "actors/clock.hpp"

#include <caf/all.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <new>
#include <thread>

#include "tests/scarcity/refusal.hpp"

namespace troupe::testing {

TEST_CASE("a message for later that finds no memory is its sender's error, and none that was taken is lost",
          "[bad-input]") {
  caf::actor_system_config config;
  caf::actor_system system(config);
  caf::scoped_actor self(system);
  const auto me = caf::actor_cast<caf::strong_actor_ptr>(self);
  actors::Clock clock;
  std::thread keeper([&] { clock.run(); });  // it takes no memory, so its allocations may be refused, too
  int taken = 0, refused = 0;
  for (std::int64_t n = 1; n <= 8; ++n) {
    auto letter = caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, static_cast<int>(n));
    const auto due = clock.now() + std::chrono::milliseconds(n % 3);
    Refusal::allocation(n);
    try {
      clock.schedule_message(due, me, std::move(letter));
      Refusal::end();
      ++taken;
    } catch (const std::bad_alloc&) {
      Refusal::end();
      ++refused;
    }
  }
  CHECK(refused > 0);
  int come = 0;
  while (come < taken) {
    self->receive([&](int) { ++come; }, caf::after(std::chrono::minutes(1)) >> [] { FAIL("a message is lost"); });
  }
  clock.stop();
  keeper.join();
  CHECK(refused + come == 8);
}

}  // namespace troupe::testing
