#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "troupe/error.hpp"

namespace troupe::testing {

/// The streams of a device that does nothing at once: another thread takes the next work of any stream whose waits are
/// over, as a seed draws it, and of what it may hold back it does nothing before somebody waits for the end of
/// something. The first error, or what a work throws, ends it: nothing later is done.
class LateQueue {
 public:
  enum Stream : std::uint8_t { copies_in, ops, copies_out };

  /// Where a stream has come to.
  struct Mark {
    Stream stream;
    std::uint64_t number;
  };

  explicit LateQueue(std::uint64_t seed);
  LateQueue(const LateQueue&) = delete;
  LateQueue& operator=(const LateQueue&) = delete;
  ~LateQueue();  ///< what has not begun is dropped

  /// Work for a stream, behind what is there and, where given, behind `after`.
  Mark add(Stream stream, std::function<Result<void>()> work, std::optional<Mark> after = {});

  /// All that the stream has been given up to the mark has been done; the error, or what was thrown, where it has not.
  [[nodiscard]] Result<void> wait(Mark mark);

 private:
  struct Work {
    std::function<Result<void>()> work;
    std::optional<Mark> after;
    bool held;
  };
  struct Line {
    std::deque<Work> works;  ///< those that are to come
    std::uint64_t added = 0, done = 0;
  };

  [[nodiscard]] bool ready(const Line& line) const;
  [[nodiscard]] Line* draw();
  void do_works();
  void do_one(Line& line, std::unique_lock<std::mutex>& lock);

  std::mt19937_64 random_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Line, 3> lines_;
  bool waited_for_ = false, stopping_ = false;
  std::optional<Error> error_;
  std::exception_ptr thrown_;
  std::thread thread_;
};

}  // namespace troupe::testing
