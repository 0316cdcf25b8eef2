#include "actors/host/open_requests.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "actors/host/callback_stream.hpp"

namespace troupe::host {
namespace {

std::int64_t second_of(std::chrono::steady_clock::time_point time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

bool ends_by_itself(FinishReason reason) {
  return reason != FinishReason::cancelled && reason != FinishReason::deadline && reason != FinishReason::error;
}

}  // namespace

void Rate::add(std::chrono::steady_clock::time_point now) {
  if (first_ == decltype(first_){}) first_ = now;
  const std::int64_t second = second_of(now);
  const auto place = static_cast<std::size_t>(second % (window + 1));
  if (seconds_[place] != second) counts_[place] = 0;
  seconds_[place] = second;
  ++counts_[place];
}

double Rate::at(std::chrono::steady_clock::time_point now) const {
  const std::int64_t second = second_of(now);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) count += second - seconds_[i] < window ? counts_[i] : 0;
  // The window's first second has begun so long ago; of the last one there is only a part.
  const std::chrono::duration<double> since =
      std::min(now - first_, now - std::chrono::steady_clock::time_point(std::chrono::seconds(second - window + 1)));
  return count == 0 ? 0.0 : static_cast<double>(count) / std::max(since.count(), 0.1);
}

void OpenRequests::add_room(std::ptrdiff_t requests) {
  const std::lock_guard lock(mutex_);
  most_ += static_cast<std::size_t>(requests);
}

void OpenRequests::enter(SequenceId id, const std::shared_ptr<CallbackStream>& stream) {
  const std::lock_guard lock(mutex_);
  if (open_.size() >= most_) {
    throw Error(Code::queue_full, "the queue is full: " + std::to_string(most_) +
                                      " requests run or wait already; try again when some have ended");
  }
  open_.emplace(id, stream);
  ++requests_;
}

void OpenRequests::leave(SequenceId id, FinishReason reason) noexcept {
  const std::lock_guard lock(mutex_);
  open_.erase(id);
  ++(ends_by_itself(reason) ? finished_ : failed_);
  ++last_calls_;
}

void OpenRequests::note_last_call() noexcept {
  const std::lock_guard lock(mutex_);
  --last_calls_;
  changed_.notify_all();
}

void OpenRequests::withdraw(SequenceId id) noexcept {
  const std::lock_guard lock(mutex_);
  requests_ -= open_.erase(id);
}

void OpenRequests::count_prompt(std::uint32_t tokens, std::uint32_t cached) noexcept {
  const std::lock_guard lock(mutex_);
  prompt_tokens_ += tokens;
  cached_tokens_ += cached;
}

void OpenRequests::count_token() noexcept {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  ++generated_tokens_;
  rate_.add(now);
}

void OpenRequests::report(Stats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.requests = requests_;
  stats.finished = finished_;
  stats.failed = failed_;
  stats.prompt_tokens = prompt_tokens_;
  stats.cached_tokens = cached_tokens_;
  stats.generated_tokens = generated_tokens_;
  stats.tokens_per_second = rate_.at(std::chrono::steady_clock::now());
}

void OpenRequests::end_all(const Error& why) {
  std::unique_lock lock(mutex_);
  for (auto each = open_.begin(); each != open_.end();) {
    const SequenceId id = each->first;
    const auto stream = each->second.lock();
    lock.unlock();
    if (stream != nullptr) stream->end(actors::ended_by(why));
    lock.lock();
    each = open_.upper_bound(id);
  }
  changed_.wait(lock, [&] { return open_.empty() && last_calls_ == 0; });
}

}  // namespace troupe::host
