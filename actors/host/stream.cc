#include "actors/host/stream.hpp"

namespace troupe::host {
namespace {

constexpr std::chrono::milliseconds wake_interval(16);

}  // namespace

void StreamBuffer::push(Token token) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    tokens_.push_back(std::move(token));
    wake = waits_for_token_;
  }
  if (wake) changed_.notify_one();
}

void StreamBuffer::end(std::optional<Error> why) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    place_.reset();
    over_ = true;
    why_ = std::move(why);
  }
  changed_.notify_one();
}

std::optional<Token> StreamBuffer::next(const std::function<bool()>& lost) {
  std::unique_lock lock(mutex_);
  if (tokens_.empty() && !over_) {
    changed_.wait_until(lock, woken_ + wake_interval, [&] { return over_; });
    waits_for_token_ = true;
    const auto come = [&] { return over_ || !tokens_.empty(); };
    while (!changed_.wait_for(lock, std::chrono::seconds(1), come)) {
      if (lost()) throw Error(Code::aborted, "the runtime has lost an actor for want of memory; make a new Runtime");
    }
    waits_for_token_ = false;
    woken_ = std::chrono::steady_clock::now();
  }
  if (!tokens_.empty()) {
    Token token = std::move(tokens_.front());
    tokens_.pop_front();
    return token;
  }
  if (why_) throw *why_;
  return std::nullopt;
}

bool StreamBuffer::over() const {
  const std::lock_guard lock(mutex_);
  return over_;
}

}  // namespace troupe::host
