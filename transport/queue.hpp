#pragma once

#include <chrono>
#include <cstdint>

namespace troupe::transport {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

/// What has been enqueued up to here. On the CPU a queue runs in place, so an event is a counter that has passed.
struct Event {
  std::uint64_t value = 0;
};

/// Work of one device in order. A CPU queue runs what is enqueued at once, in the calling thread.
class Queue {
 public:
  [[nodiscard]] Event record() { return {++recorded_}; }
  void wait(Event) {}

 private:
  std::uint64_t recorded_ = 0;
};

}  // namespace troupe::transport
