#include "actors/clock.hpp"

#include <caf/all.hpp>
#include <utility>

namespace troupe::actors {

void Clock::schedule_message(time_point due, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) {
  {
    const std::lock_guard lock(mutex_);
    simple_actor_clock::schedule_message(due, std::move(receiver), std::move(content));
  }
  changed_.notify_one();
}

void Clock::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (schedule_.empty()) {
      changed_.wait(lock);
    } else if (const time_point due = schedule_.begin()->first; due > now()) {
      changed_.wait_until(lock, due);
    } else {
      auto next = schedule_.extract(schedule_.begin());
      lock.unlock();  // who gets it may run, and ask for the clock
      ship(*next.mapped());
      next = {};
      lock.lock();
    }
  }
  schedule_.clear();
}

void Clock::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
}

}  // namespace troupe::actors
