#include "runtime/tiers/disk_reader.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "runtime/text/utf8.hpp"
#include "runtime/tiers/disk_readers.hpp"

namespace troupe {

Result<Descriptor> open_for_reading(const std::string& path) {
  constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // which regular files do not know: nothing is waited for
  int number = ::open(path.c_str(), flags | O_DIRECT);
  if (number < 0 && errno == EINVAL) number = ::open(path.c_str(), flags);
  if (number < 0) return Error(Code::failed, troupe::quoted(path) + ": " + std::strerror(errno));
  return Descriptor(number);
}

Error disk_error(const std::string& path, std::uint64_t offset, int number) {
  const std::string why = number == 0 ? "it ends there" : std::strerror(number);
  return {Code::failed, troupe::quoted(path) + ": reading at " + std::to_string(offset) + ": " + why};
}

Error disk_stalls(const std::string& path) {
  return {Code::deadline, troupe::quoted(path) + ": the disk has not answered in time"};
}

std::unique_ptr<DiskReader> DiskReader::create(std::size_t places, bool with_ring) {
  if (with_ring) {
    if (auto ring = ring_reader(places)) return ring;
  }
  return thread_reader(places);
}

}  // namespace troupe
