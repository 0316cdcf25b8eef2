#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "actors/messages.hpp"

namespace troupe::host {

/// The host's end of a request: the router pushes, one host thread reads. Holds at most the request's own max_tokens.
/// To wake a thread takes the shards 10 to 30 us and more where they fill every core, so a reader is left asleep for
/// 16 ms, a frame of a screen, from one time to the next, as network cards do with interrupts; what ends the stream
/// wakes it at once.
class StreamBuffer : public actors::Stream {
 public:
  /// `place` is let go of when the stream ends, before a reader learns of it.
  explicit StreamBuffer(std::shared_ptr<void> place) : place_(std::move(place)) {}

  void push(Token token) override;
  void end(std::optional<Error> why) override;

  /// Waits for the next token; empty at the end. Throws the request's error, and `aborted` where nothing will come any
  /// more because `lost()`, which is asked once a second.
  [[nodiscard]] std::optional<Token> next(const std::function<bool()>& lost);
  [[nodiscard]] bool over() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Token> tokens_;
  bool waits_for_token_ = false;
  std::chrono::steady_clock::time_point woken_;  ///< long ago, so that the first token is waited for
  bool over_ = false;
  std::optional<Error> why_;
  std::shared_ptr<void> place_;
};

}  // namespace troupe::host
