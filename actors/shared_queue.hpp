#pragma once

#include <caf/all.hpp>
#include <caf/policy/unprofiled.hpp>
#include <caf/scheduler/coordinator.hpp>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace troupe::actors {

/// How the actors' threads share those that are awake: one queue for all, whose sleeping worker is woken at once, like
/// caf::policy::work_sharing, but of memory that was there before. Where CAF's cannot get any, the actor that a message
/// has just woken is in no queue, is never run again, and whoever waits for it waits for ever.
class SharedQueue : public caf::policy::unprofiled {
 public:
  /// An actor is in the queue once at most, so that a ring of twice as many as are awake is never full.
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) : ring(1024) {}
    std::vector<caf::resumable*> ring;
    std::size_t first = 0, count = 0;
    std::mutex mutex;
    std::condition_variable changed;

    void push(caf::resumable* job) noexcept {
      std::unique_lock lock(mutex);
      while (2 * count >= ring.size() && !grow() && count == ring.size()) {
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        lock.lock();
      }
      ring[(first + count++) % ring.size()] = job;
      changed.notify_one();
    }

    caf::resumable* pop() {
      caf::resumable* const job = ring[first];
      first = (first + 1) % ring.size();
      --count;
      return job;
    }

   private:
    [[nodiscard]] bool grow() noexcept try {
      std::vector<caf::resumable*> larger(2 * ring.size());
      for (std::size_t i = 0; i < count; ++i) larger[i] = ring[(first + i) % ring.size()];
      ring.swap(larger);
      first = 0;
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  };
  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    d(self).push(job);
  }
  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    d(self->parent()).push(job);
  }
  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    d(self->parent()).push(job);
  }
  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    d(self->parent()).push(job);
  }
  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    coordinator_data& data = d(self->parent());
    std::unique_lock lock(data.mutex);
    data.changed.wait(lock, [&] { return data.count > 0; });
    return data.pop();
  }
  template <class Worker, class Visit>
  void foreach_resumable(Worker*, Visit) {}
  template <class Coordinator, class Visit>
  void foreach_central_resumable(Coordinator* self, Visit visit) {
    coordinator_data& data = d(self);
    const std::unique_lock lock(data.mutex);
    while (data.count > 0) visit(data.pop());
  }
};

}  // namespace troupe::actors
