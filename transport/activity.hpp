#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace troupe::transport {

/// Who of some members that wait for each other is at work: has something to do and does not wait for another's doing.
/// Members are the executors of one replica. While one of them is at work, the silence of the others means nothing,
/// however long it lasts. Any thread; entered once a step and wherever a member goes to sleep; allocates nothing.
class Activity {
 public:
  /// A member that waits for another: until a number grows to `target`. Lies where it waits.
  struct Sleeper {
    const std::atomic<std::uint64_t>* value;
    std::uint64_t target;
    Sleeper* next = nullptr;  ///< the activity's own
  };

  void begin_work();
  void end_work();

  /// A member at work falls asleep, and is at work again.
  void fall_asleep(Sleeper& sleeper);
  void wake_up(Sleeper& sleeper);

  /// Two calls return the same only if nobody was at work at either of them, nor between them. A sleeper whose number
  /// has come is at work, even while the system has not woken it.
  [[nodiscard]] std::uint64_t pulse();

 private:
  [[nodiscard]] bool somebody_is_at_work() const;

  std::mutex mutex_;
  std::size_t at_work_ = 0;
  std::uint64_t pulse_ = 0;
  Sleeper* sleepers_ = nullptr;
};

}  // namespace troupe::transport
