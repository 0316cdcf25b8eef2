#pragma once

#include <array>
#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include "actors/control.hpp"
#include "actors/resume.hpp"

namespace troupe::actors {

/// The calling thread as one of those that run actors: keeps those that a message wakes, to run them here, and those
/// that they wake in turn, or to hand them to the system's threads. Allocates nothing.
///
/// What it assumes of CAF 0.17.6: enqueue() into an idle actor calls exec_later() of the execution unit that it was
/// given with a job whose reference is now the unit's; such a job may be resumed on any thread, by one at a time, and
/// takes with it the unit on which it runs; and no unit need belong to the system's scheduler.
class ThisThread final : public caf::execution_unit {
 public:
  using execution_unit::execution_unit;

  void exec_later(caf::resumable* job) override {
    if (last_ - first_ == jobs_.size()) return system().scheduler().enqueue(job);
    jobs_[last_++ % jobs_.size()] = job;
  }

  void run() {
    while (first_ != last_) {
      // Where so many messages have come meanwhile, they are no longer this thread's.
      resume(jobs_[first_++ % jobs_.size()], *this,
             [this](caf::resumable* again) { system().scheduler().enqueue(again); });
    }
  }

  void leave() {
    while (first_ != last_) system().scheduler().enqueue(jobs_[first_++ % jobs_.size()]);
  }

 private:
  std::array<caf::resumable*, 64> jobs_{};
  std::size_t first_ = 0, last_ = 0;
};

}  // namespace troupe::actors
