#include "actors/host/meter.hpp"

#include <utility>

#include "runtime/program/own_thread.hpp"

namespace troupe::host {

Meter::Meter(const char* thread, std::chrono::milliseconds interval, std::function<void()> tell)
    : interval_(interval), tell_(std::move(tell)), thread_(start_thread(thread, [this] { work(); })) {}

Meter::~Meter() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Meter::work() {
  std::unique_lock lock(mutex_);
  for (auto next = std::chrono::steady_clock::now() + interval_;
       !changed_.wait_until(lock, next, [&] { return over_; }); next = std::chrono::steady_clock::now() + interval_) {
    lock.unlock();
    tell_();
    lock.lock();
  }
}

}  // namespace troupe::host
