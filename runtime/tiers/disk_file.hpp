#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/model/descriptor.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// A file that is read in large pieces, past the page cache where its file system lets us (O_DIRECT): what it holds is
/// kept in memory by those who read it, if at all. One thread at a time.
class DiskFile {
 public:
  /// Addresses, offsets and sizes of reads are multiples of this.
  static constexpr std::size_t alignment = 4096;

  [[nodiscard]] static Result<std::unique_ptr<DiskFile>> open(const std::string& path);
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;
  ~DiskFile();

  /// Fills `into` from an offset, with several reads under way at a time (io_uring; one, where the system has none).
  /// An error where one fails, or the file ends before.
  [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> into);

 private:
  class Ring;
  DiskFile(std::string path, Descriptor file);
  [[nodiscard]] Result<void> read_in_turn(std::uint64_t offset, std::span<std::byte> into);

  std::string path_;
  Descriptor file_;
  std::unique_ptr<Ring> ring_;  ///< or null
};

}  // namespace troupe
