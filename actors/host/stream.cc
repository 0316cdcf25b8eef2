#include "actors/host/stream.hpp"

#include <algorithm>
#include <utility>

namespace troupe::host {
namespace {

constexpr std::chrono::milliseconds wake_interval(16);

}  // namespace

std::chrono::steady_clock::time_point after(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds none{0}, longest = std::chrono::years(100);
  return std::chrono::steady_clock::now() + std::clamp(time, none, longest);
}

void StreamBuffer::push(Token token) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    tokens_.push_back(std::move(token));
    wake = waits_for_token_;
  }
  if (wake) changed_.notify_one();
}

void StreamBuffer::end(Finish finish) {
  {
    const std::lock_guard lock(mutex_);
    finish_ = std::move(finish);
  }
  changed_.notify_one();
}

/// Precondition: there is nothing to read yet.
void StreamBuffer::wait(std::unique_lock<std::mutex>& lock, Time until, const std::function<bool()>& lost) {
  changed_.wait_until(lock, std::min(until, woken_ + wake_interval), [&] { return finish_.has_value(); });
  waits_for_token_ = true;
  const auto come = [&] { return finish_ || !tokens_.empty(); };
  Time now = std::chrono::steady_clock::now();
  bool is_lost = false;
  while (!changed_.wait_until(lock, std::min(until, now + std::chrono::seconds(1)), come) && !is_lost && now < until) {
    now = std::chrono::steady_clock::now();
    is_lost = lost();
  }
  waits_for_token_ = false;
  if (come()) {
    woken_ = std::chrono::steady_clock::now();
  } else if (is_lost) {
    throw Error(Code::aborted, "the runtime has lost an actor for want of memory; make a new Runtime");
  }
}

std::optional<Token> StreamBuffer::next(Time until, const std::function<bool()>& lost) {
  std::unique_lock lock(mutex_);
  if (tokens_.empty() && !finish_) wait(lock, until, lost);
  if (!tokens_.empty()) {
    Token token = std::move(tokens_.front());
    tokens_.pop_front();
    return token;
  }
  if (finish_ && finish_->error) throw *finish_->error;
  return std::nullopt;
}

bool StreamBuffer::over() const {
  const std::lock_guard lock(mutex_);
  return finish_.has_value();
}

std::optional<Finish> StreamBuffer::finish() const {
  const std::lock_guard lock(mutex_);
  return tokens_.empty() ? finish_ : std::nullopt;
}

}  // namespace troupe::host
