#include "transport/activity.hpp"

#include <catch2/catch.hpp>
#include <thread>
#include <utility>

#include "tests/transport/ends.hpp"

namespace {

using namespace troupe;
using namespace troupe::transport;
namespace testing = troupe::testing;
using namespace std::chrono_literals;

constexpr auto patience = 2ms, many_patiences = 40ms;

TEST_CASE("fault 10: a wait goes on while another member is at work", "[transport][activity]") {
  for (const std::uint32_t spins : {0U, 1000U}) {
    Counter counter;
    const AbortFlag abort;
    Activity activity;
    activity.begin_work();  // this thread
    activity.begin_work();  // the waiter
    bool came = false;
    std::thread waiter([&] {
      came = counter.wait_until(1, {spins}, {patience, &activity}, abort, "the worker").ok();
      activity.end_work();
    });
    std::this_thread::sleep_for(many_patiences);
    counter.advance();
    activity.end_work();
    waiter.join();
    CHECK(came);
  }
}

TEST_CASE("fault 10: a wait ends once nobody has been at work for that long", "[transport][activity]") {
  Counter counter;
  const AbortFlag abort;
  Activity activity;
  activity.begin_work();
  activity.begin_work();
  Clock::time_point left;
  std::thread worker([&] {
    std::this_thread::sleep_for(many_patiences);
    left = Clock::now();
    activity.end_work();
  });
  const auto waited = counter.wait_until(1, {0}, {patience, &activity}, abort, "the idler");
  const auto end = Clock::now();
  worker.join();
  REQUIRE(!waited);
  CHECK(waited.error().code() == Code::deadline);
  CHECK(end >= left + patience);
}

TEST_CASE("fault 10: members that all wait for each other come to an end", "[transport][activity]") {
  Activity activity;
  const auto a = testing::channel_in_memory(1, 64, {0}), b = testing::channel_in_memory(1, 64, {0});
  const auto wait_in = [&](Receiver& receiver) {
    float value = 0;
    const Code code = receiver.receive(tensor_of(&value, 1, 1), {patience, &activity}).error().code();
    activity.end_work();
    return code;
  };
  activity.begin_work();
  activity.begin_work();
  Code other = Code::failed;
  std::thread thread([&] { other = wait_in(*a.receiver); });
  CHECK(wait_in(*b.receiver) == Code::deadline);
  thread.join();
  CHECK(other == Code::deadline);
}

TEST_CASE("fault 10: a deadline is counted from each wait's beginning", "[transport][activity]") {
  const Deadline deadline{200ms};
  const auto first = testing::channel_in_memory(2, 64, {0}), second = testing::channel_in_memory(2, 64, {0});
  float value = 0;
  const auto start = Clock::now();
  REQUIRE(first.receiver->receive(tensor_of(&value, 1, 1), deadline).error().code() == Code::deadline);
  REQUIRE(second.receiver->receive(tensor_of(&value, 1, 1), deadline).error().code() == Code::deadline);
  CHECK(Clock::now() >= start + 2 * deadline.patience);
}

TEST_CASE("fault 10: a pulse stands still only while nobody is at work", "[transport][activity]") {
  Activity activity;
  std::uint64_t before = activity.pulse();
  const auto beats = [&] { return std::exchange(before, activity.pulse()) != before; };
  CHECK_FALSE(beats());
  activity.begin_work();
  CHECK(beats());
  CHECK(beats());
  activity.end_work();
  CHECK(beats());  // it was at work a moment ago
  CHECK_FALSE(beats());

  activity.begin_work();  // short work between two looks
  activity.end_work();
  CHECK(beats());
  CHECK_FALSE(beats());

  std::atomic<std::uint64_t> one{0}, two{0};
  Activity::Sleeper a{&one, 1}, b{&two, 5};
  activity.begin_work();
  activity.begin_work();
  activity.fall_asleep(a);
  CHECK(beats());
  activity.fall_asleep(b);
  CHECK(beats());
  CHECK_FALSE(beats());
  one = 1;  // a has what it waits for, and has not been woken yet
  CHECK(beats());
  CHECK(beats());
  activity.wake_up(a);
  activity.end_work();
  CHECK(beats());
  CHECK_FALSE(beats());
  two = 4;
  CHECK_FALSE(beats());
  two = 6;
  CHECK(beats());
  activity.wake_up(b);
  activity.end_work();
  CHECK(beats());
  CHECK_FALSE(beats());
}

}  // namespace
