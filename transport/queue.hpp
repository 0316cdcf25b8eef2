#pragma once

#include <chrono>
#include <cstdint>

namespace troupe::transport {

using Clock = std::chrono::steady_clock;

class Activity;

/// When a wait for a peer ends in vain: once the peer has been silent for `patience`. Counted from when the wait
/// begins, and not while anyone is at work, where an activity says who is: the peer may have to wait for it.
struct Deadline {
  Clock::duration patience = Clock::duration::max();
  Activity* activity = nullptr;  ///< the waiter is one of its members, at work until it waits
};

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
