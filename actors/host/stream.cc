#include "actors/host/stream.hpp"

namespace troupe::host {

void StreamBuffer::push(Token token) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    tokens_.push_back(std::move(token));
  }
  changed_.notify_one();
}

void StreamBuffer::end(std::optional<Error> why) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    ended_();
    over_ = true;
    why_ = std::move(why);
  }
  changed_.notify_one();
}

std::optional<Token> StreamBuffer::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return over_ || !tokens_.empty(); });
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
