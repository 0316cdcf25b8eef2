#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "troupe/error.hpp"

namespace troupe {

/// Reads large files while the caller does something else, past the page cache where their file system lets us
/// (O_DIRECT): what they hold is kept in memory by those who read it, if at all. One thread at a time.
class DiskReader {
 public:
  /// Addresses and sizes of reads are multiples of this.
  static constexpr std::size_t alignment = 4096;

  /// For so many reads under way at a time, each with a place of its own. By io_uring, on no thread; where a system has
  /// none, as in many containers, or that is not wanted, a thread reads one after the other.
  [[nodiscard]] static std::unique_ptr<DiskReader> create(std::size_t places, bool with_ring = true);

  virtual ~DiskReader() = default;  ///< waits for what is under way

  /// Begins to fill `into`, which must stay until it has been waited for, from the beginning of a file, at a place
  /// where nothing is under way. What is wrong with the file wait() says.
  virtual void begin(std::size_t place, const std::string& path, std::span<std::byte> into) = 0;

  /// Whether wait() would return at once.
  [[nodiscard]] virtual bool ready(std::size_t place) = 0;

  /// Returns when the read at this place has ended, or none is under way. An error where it has failed, the file ended
  /// before, or (deadline) it takes longer; then it is still under way.
  [[nodiscard]] virtual Result<void> wait(std::size_t place, std::chrono::nanoseconds patience) = 0;
};

}  // namespace troupe
