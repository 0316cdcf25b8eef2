#pragma once

#include <chrono>

namespace troupe::transport {

using Clock = std::chrono::steady_clock;

class Activity;

/// Told of waits, by the thread that waited.
class WaitWitness {
 public:
  virtual void waited(Clock::time_point begin, Clock::time_point end) = 0;

 protected:
  ~WaitWitness() = default;
};

/// When a wait for a peer ends in vain: once the peer has been silent for `patience`. Counted from when the wait
/// begins, and not while anyone is at work, where an activity says who is: the peer may have to wait for it.
struct Deadline {
  Clock::duration patience = Clock::duration::max();
  Activity* activity = nullptr;    ///< the waiter is one of its members, at work until it waits
  WaitWitness* witness = nullptr;  ///< the waiter's, or null; lives as long as the wait
};

}  // namespace troupe::transport
