#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "troupe/generate.hpp"

namespace troupe::host {

/// So long from now. A clock counts nanoseconds, and overflows where milliseconds do not.
[[nodiscard]] std::chrono::steady_clock::time_point after(std::chrono::milliseconds time);

/// What a Generation's callbacks fill and one host thread reads. Holds at most the request's own max_tokens.
/// To wake a thread takes the shards 10 to 30 us and more where they fill every core, so a reader is left asleep for
/// 16 ms, a frame of a screen, from one time to the next, as network cards do with interrupts; what ends the stream
/// wakes it at once.
class StreamBuffer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void push(Token token);
  void end(Finish finish);

  /// Waits for the next token; empty at the end, and when it is `until`. Throws the request's error, and `aborted`
  /// where nothing will come any more because `lost()`, which is asked once a second.
  [[nodiscard]] std::optional<Token> next(Time until, const std::function<bool()>& lost);
  [[nodiscard]] bool over() const;

  /// Empty as long as there is, or may come, a token to read.
  [[nodiscard]] std::optional<Finish> finish() const;

 private:
  void wait(std::unique_lock<std::mutex>& lock, Time until, const std::function<bool()>& lost);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Token> tokens_;
  bool waits_for_token_ = false;
  Time woken_;  ///< long ago, so that the first token is waited for
  std::optional<Finish> finish_;
};

}  // namespace troupe::host
