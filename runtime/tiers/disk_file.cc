#include "runtime/tiers/disk_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/model/descriptor.hpp"
#include "runtime/text/utf8.hpp"
#include "runtime/tiers/disk_files.hpp"

namespace troupe {

Error disk_error(const std::string& path, std::uint64_t offset, int number) {
  const std::string why = number == 0 ? "it ends there" : std::strerror(number);
  return {Code::failed, troupe::quoted(path) + ": reading at " + std::to_string(offset) + ": " + why};
}

Error disk_stalls(const std::string& path) {
  return {Code::deadline, troupe::quoted(path) + ": the disk has not answered in time"};
}

Result<std::unique_ptr<DiskFile>> DiskFile::open(const std::string& path, std::size_t places, bool with_ring) {
  int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (number < 0 && errno == EINVAL) number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) return Error(Code::failed, troupe::quoted(path) + ": " + std::strerror(errno));
  Descriptor file(number);
  if (with_ring) {
    if (auto ringed = ring_file(path, file, places)) return ringed;
  }
  return thread_file(path, std::move(file), places);
}

}  // namespace troupe
