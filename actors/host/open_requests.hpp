#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "runtime/schedule/step.hpp"
#include "troupe/model.hpp"

namespace troupe::host {

class CallbackStream;

/// Events by the second they fell into, over the last few.
class Rate {
 public:
  void add(std::chrono::steady_clock::time_point now);
  /// Events a second, over five seconds, or less where the first was later.
  [[nodiscard]] double at(std::chrono::steady_clock::time_point now) const;

 private:
  static constexpr std::int64_t window = 5;
  std::chrono::steady_clock::time_point first_{};
  std::array<std::uint64_t, window + 1> counts_{};
  std::array<std::int64_t, window + 1> seconds_{};  ///< which second each count is of
};

/// A model's requests that have not ended, and what is counted of all. Any thread.
class OpenRequests {
 public:
  /// `most`: that may run and wait, all replicas together.
  explicit OpenRequests(std::size_t most) : most_(most) {}

  /// For so many more, or fewer, from now on.
  void add_room(std::ptrdiff_t requests);

  /// Throws queue_full.
  void enter(SequenceId id, const std::shared_ptr<CallbackStream>& stream);

  void withdraw(SequenceId id) noexcept;  ///< it has not been a request after all

  /// One has ended, and has room for another; its last callback is still to be called.
  void leave(SequenceId id, FinishReason reason) noexcept;
  void note_last_call() noexcept;  ///< that one has returned

  void count_prompt(std::uint32_t tokens, std::uint32_t cached) noexcept;
  void count_token() noexcept;

  /// Puts what is counted here into the model's.
  void report(Stats& stats) const;

  /// Ends all that are left, and waits until no callback runs or will. Not within one. Takes no memory, where `why`
  /// does not.
  void end_all(const Error& why);

 private:
  mutable std::mutex mutex_;
  std::size_t most_;
  std::condition_variable changed_;
  std::size_t last_calls_ = 0;  ///< still to return
  std::map<SequenceId, std::weak_ptr<CallbackStream>> open_;
  Rate rate_;
  std::uint64_t requests_ = 0, finished_ = 0, failed_ = 0;
  std::uint64_t prompt_tokens_ = 0, cached_tokens_ = 0, generated_tokens_ = 0;
};

}  // namespace troupe::host
