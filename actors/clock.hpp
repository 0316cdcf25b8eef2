#pragma once

#include <caf/detail/simple_actor_clock.hpp>
#include <condition_variable>
#include <mutex>

namespace troupe::actors {

/// Holds messages until they are due. CAF's own clock makes room for one on its own thread, where nobody hears that
/// there was none; here whoever sends it makes the room, and gets the exception. Any thread.
class Clock final : public caf::detail::simple_actor_clock {
 public:
  void schedule_message(time_point due, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) override;

  /// Nothing: no actor asks for what could be cancelled.
  void cancel_timeouts(caf::abstract_actor*) override {}

  /// Sends what is due, until stop(), and forgets the rest. Takes no memory.
  void run();
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
};

}  // namespace troupe::actors
