#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace troupe::host {

/// Calls a function each so often, on a thread of its own, until it is destroyed; then none is under way any more.
class Meter {
 public:
  Meter(const char* thread, std::chrono::milliseconds interval, std::function<void()> tell);
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  ~Meter();

 private:
  void work();

  const std::chrono::milliseconds interval_;
  const std::function<void()> tell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace troupe::host
