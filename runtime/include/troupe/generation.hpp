#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>

#include "troupe/generate.hpp"

namespace troupe {

/// One request's stream, for a thread that waits for it. Dropping it cancels the request. Movable. next() is for one
/// thread at a time; the others for any, also while another waits in next(). One that has been moved from throws
/// invalid_argument.
class Generation {
 public:
  class Impl;
  explicit Generation(std::shared_ptr<Impl> impl);
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// Waits for the next token; empty at the end. Throws Error where the request failed, and invalid_argument where this
  /// thread is one that the model needs to go on (in on_step, a logits sink, on_token, on_finish, or the log callback).
  /// Wakes the thread 60 times a second at most: tokens that come faster are had several at a time, up to 16 ms late.
  [[nodiscard]] std::optional<Token> next();

  /// The same for so long at most: empty where the time has passed, too; then finish() is empty as well. With 0 it
  /// takes what is there.
  [[nodiscard]] std::optional<Token> next(std::chrono::milliseconds timeout);

  /// How the stream has ended; empty as long as next() may still give a token.
  [[nodiscard]] std::optional<Finish> finish() const;

  void cancel();                           ///< takes effect within one step; next() then throws `cancelled`
  [[nodiscard]] std::uint64_t id() const;  ///< what StepRow::request says

  /// For range-based loops: reads the stream to its end, once.
  class Iterator {
   public:
    using value_type = Token;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Generation& stream) : stream_(&stream) { ++*this; }
    const Token& operator*() const { return *token_; }
    Iterator& operator++() {
      token_ = stream_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return !it.token_; }

   private:
    Generation* stream_;
    std::optional<Token> token_;
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace troupe
