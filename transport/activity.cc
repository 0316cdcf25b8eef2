#include "transport/activity.hpp"

namespace troupe::transport {

void Activity::begin_work() {
  const std::lock_guard lock(mutex_);
  ++at_work_;
  ++pulse_;
}

void Activity::end_work() {
  const std::lock_guard lock(mutex_);
  --at_work_;
  ++pulse_;
}

void Activity::fall_asleep(Sleeper& sleeper) {
  const std::lock_guard lock(mutex_);
  sleeper.next = sleepers_;
  sleepers_ = &sleeper;
  --at_work_;
  ++pulse_;
}

void Activity::wake_up(Sleeper& sleeper) {
  const std::lock_guard lock(mutex_);
  Sleeper** place = &sleepers_;
  while (*place != &sleeper) place = &(*place)->next;
  *place = sleeper.next;
  ++at_work_;
  ++pulse_;
}

std::uint64_t Activity::pulse() {
  const std::lock_guard lock(mutex_);
  if (somebody_is_at_work()) ++pulse_;
  return pulse_;
}

bool Activity::somebody_is_at_work() const {
  if (at_work_ > 0) return true;
  for (const Sleeper* sleeper = sleepers_; sleeper != nullptr; sleeper = sleeper->next) {
    // Acquires, as the sleeper will: a pulse must not be older than what it counts.
    if (sleeper->value->load(std::memory_order_acquire) >= sleeper->target) return true;
  }
  return false;
}

}  // namespace troupe::transport
