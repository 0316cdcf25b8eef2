#pragma once

#include "runtime/model/descriptor.hpp"
#include "runtime/tiers/disk_file.hpp"

namespace troupe {

/// The kinds of DiskFile. Null, and the file is still the caller's, where the system has no io_uring.
[[nodiscard]] std::unique_ptr<DiskFile> ring_file(const std::string& path, Descriptor& file, std::size_t places);
[[nodiscard]] std::unique_ptr<DiskFile> thread_file(const std::string& path, Descriptor file, std::size_t places);

/// `number`: an errno, or 0 for the file's end.
[[nodiscard]] Error disk_error(const std::string& path, std::uint64_t offset, int number);
[[nodiscard]] Error disk_stalls(const std::string& path);

}  // namespace troupe
