#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "troupe/error.hpp"

namespace troupe {

/// A whole file in memory, read-only, paged in as it is touched. Immutable; any thread.
/// The file must not become shorter while it is mapped: what is then touched beyond its end ends the process (SIGBUS).
class FileMapping {
 public:
  /// An error where there is no such file, or it is a directory, empty or unreadable.
  [[nodiscard]] static Result<std::shared_ptr<const FileMapping>> open(const std::string& path);

  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  ~FileMapping();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit FileMapping(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace troupe
