#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/program/own_thread.hpp"
#include "runtime/tiers/disk_readers.hpp"

namespace troupe {
namespace {

/// Reads one after the other, on a thread of its own.
class ThreadReader : public DiskReader {
 public:
  explicit ThreadReader(std::size_t places) : places_(places) {
    thread_ = start_thread("troupe.fetch", [this] { run(); });
  }
  ThreadReader(const ThreadReader&) = delete;
  ThreadReader& operator=(const ThreadReader&) = delete;
  ~ThreadReader() override {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void begin(std::size_t place, const std::string& path, std::span<std::byte> into) override {
    {
      const std::lock_guard lock(mutex_);
      places_[place] = {.path = path, .under_way = true};
      asked_.push_back({place, path, into});
    }
    changed_.notify_all();
  }

  bool ready(std::size_t place) override {
    const std::lock_guard lock(mutex_);
    return !places_[place].under_way;
  }

  Result<void> wait(std::size_t at, std::chrono::nanoseconds patience) override {
    std::unique_lock lock(mutex_);
    const Place& place = places_[at];
    const auto ready = [&] { return !place.under_way; };
    if (!changed_.wait_for(lock, std::min(patience, longest), ready)) return disk_stalls(place.path);
    return place.failed ? Result<void>(*place.failed) : Result<void>();
  }

 private:
  static constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);

  struct Asked {
    std::size_t place;
    std::string path;
    std::span<std::byte> into;
  };
  struct Place {
    std::string path{};
    bool under_way = false;
    std::optional<Error> failed{};
  };

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return ended_ || !asked_.empty(); });
      if (ended_) return;
      const Asked asked = asked_.front();
      asked_.pop_front();
      lock.unlock();
      const auto done = read(asked.path, asked.into);
      lock.lock();
      places_[asked.place].under_way = false;
      if (!done) places_[asked.place].failed = done.error();
      changed_.notify_all();
    }
  }

  static Result<void> read(const std::string& path, std::span<std::byte> into) {
    const auto file = open_for_reading(path);
    if (!file) return file.error();
    std::uint64_t offset = 0;
    while (!into.empty()) {
      const ssize_t got = pread(file->number(), into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return disk_error(path, offset, got == 0 ? 0 : errno);
      into = into.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Place> places_;
  std::deque<Asked> asked_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<DiskReader> thread_reader(std::size_t places) { return std::make_unique<ThreadReader>(places); }

}  // namespace troupe
