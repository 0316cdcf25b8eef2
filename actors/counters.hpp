#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "troupe/model.hpp"

namespace troupe::actors {

/// What a replica's actors know, for whoever asks. They write, others read; any thread.
struct ReplicaCounters {
  std::atomic<ReplicaState> state{ReplicaState::serving};
  std::atomic<std::uint32_t> queued{0}, running{0}, kv_blocks{0}, kv_used{0}, kv_cached{0}, restarts{0}, preempted{0};

  /// It serves nobody, for this reason.
  void leave(ReplicaState why) {
    state = why;
    for (auto* const counter : {&queued, &running, &kv_used, &kv_cached}) *counter = 0;
  }

  [[nodiscard]] ReplicaStats read(std::uint32_t number) const {
    return {number, state, queued, running, kv_blocks, kv_used, kv_cached, restarts, preempted};
  }
};

/// The counters of the replicas that there are, by number. Any thread.
class ReplicaBoard {
 public:
  /// Those of a number that is there already, or new ones.
  std::shared_ptr<ReplicaCounters> add(std::uint32_t number) {
    const std::lock_guard lock(mutex_);
    auto& counters = counters_[number];
    if (counters == nullptr) counters = std::make_shared<ReplicaCounters>();
    return counters;
  }
  void remove(std::uint32_t number) {
    const std::lock_guard lock(mutex_);
    counters_.erase(number);
  }
  [[nodiscard]] std::vector<ReplicaStats> read() const {
    const std::lock_guard lock(mutex_);
    std::vector<ReplicaStats> all;
    for (const auto& [number, counters] : counters_) all.push_back(counters->read(number));
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<ReplicaCounters>> counters_;
};

}  // namespace troupe::actors
