#pragma once

#include "runtime/model/descriptor.hpp"
#include "runtime/tiers/disk_reader.hpp"

namespace troupe {

/// The kinds of DiskReader. Null where the system has no io_uring.
[[nodiscard]] std::unique_ptr<DiskReader> ring_reader(std::size_t places);
[[nodiscard]] std::unique_ptr<DiskReader> thread_reader(std::size_t places);

/// Past the page cache, if possible.
[[nodiscard]] Result<Descriptor> open_for_reading(const std::string& path);

/// `number`: an errno, or 0 for the file's end.
[[nodiscard]] Error disk_error(const std::string& path, std::uint64_t offset, int number);
[[nodiscard]] Error disk_stalls(const std::string& path);

}  // namespace troupe
