#include "runtime/model/file_bytes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

Error refused(const std::string& path, const char* what) {
  return {Code::bad_file, quoted(path) + ": " + what + "; expected a model file"};
}

/// Only a regular file has bytes that can be mapped, or read without waiting for somebody.
Result<void> check_kind(const std::string& path, const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      if (status.st_size > 0) return {};
      return refused(path, "is empty, or has no size, as files of /proc");
    case S_IFDIR:
      return refused(path, "is a folder");
    case S_IFIFO:
      return refused(path, "is a pipe, which cannot be mapped");
    case S_IFSOCK:
      return refused(path, "is a socket");
    default:
      return refused(path, "is a device");
  }
}

Result<void> check_path(const std::string& path) {
  if (path.empty()) return Error(Code::invalid_argument, "the path is empty; expected that of a model file");
  if (path.find('\0') == std::string::npos) return {};
  return Error(Code::invalid_argument, quoted(path) + ": has a NUL character in it, where a path would end");
}

/// A signal may come in between where a file system is slow.
int open_patiently(const char* path) {
  for (;;) {
    // O_NONBLOCK: a pipe without a writer would otherwise hold the caller forever.
    const int number = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (number >= 0 || errno != EINTR) return number;
  }
}

/// Waits until every write shows that begins from now on: a file's times come from a clock that ticks every 10 ms at
/// worst, so one within the tick of the last would not. Neither would one that goes on since before; it has the inode's
/// lock, and most file systems take that too when they are asked for a hole.
void let_writes_show(const Descriptor& file, std::int64_t seconds, std::int64_t nanoseconds) {
  constexpr std::int64_t tick = 25'000'000, second = 1'000'000'000;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const bool lately = seconds == now.tv_sec || seconds == now.tv_sec - 1;
  const std::int64_t age = lately ? (now.tv_sec - seconds) * second + now.tv_nsec - nanoseconds : tick;
  if (age >= 0 && age < tick) std::this_thread::sleep_for(std::chrono::nanoseconds(tick - age));
  (void)::lseek(file.number(), 0, SEEK_HOLE);
}

bool on_shared_file_system(const Descriptor& file) {
  struct statfs system {};
  return ::fstatfs(file.number(), &system) == 0 && is_shared_file_system(static_cast<std::uint64_t>(system.f_type));
}

}  // namespace

Result<std::shared_ptr<const FileBytes>> FileBytes::open(const std::string& path, std::optional<bool> copy) {
  if (const auto checked = check_path(path); !checked) return checked.error();
  return open(Descriptor(open_patiently(path.c_str())), path, copy);
}

Result<std::shared_ptr<const FileBytes>> FileBytes::open(int descriptor, const std::string& name,
                                                         std::optional<bool> copy) {
  if (descriptor < 0) {
    return Error(Code::invalid_argument, quoted(name) + ": " + std::to_string(descriptor) + " is no descriptor");
  }
  return open(Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)), name, copy);
}

Result<std::shared_ptr<const FileBytes>> FileBytes::open(Descriptor file, const std::string& path,
                                                         std::optional<bool> copy) {
  struct stat status {};
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) return file_error(path, errno);
  if (const auto checked = check_kind(path, status); !checked) return checked.error();
  const std::shared_ptr<FileBytes> opened(new FileBytes(path, stamp_of(status)));
  const bool copying = copy.value_or(on_shared_file_system(file));
  auto held = copying ? opened->read(file, "while it was copied") : opened->map(std::move(file));
  if (!held) return held.error();
  return std::shared_ptr<const FileBytes>(opened);
}

FileBytes::Stamp FileBytes::stamp_of(const struct stat& status) {
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

std::shared_ptr<const FileBytes> FileBytes::lend(std::string name, std::span<const std::byte> bytes,
                                                 std::shared_ptr<const void> owner) {
  const std::shared_ptr<FileBytes> lent(new FileBytes(std::move(name)));
  lent->bytes_ = bytes;
  lent->owner_ = std::move(owner);
  return lent;
}

Result<std::shared_ptr<const FileBytes>> FileBytes::copied() const {
  const std::shared_ptr<FileBytes> copy(new FileBytes(path_, stamp_));
  auto held = is_mapped() ? copy->read(file_, "since it was opened") : copy->take(bytes_);
  if (!held) return held.error();
  return std::shared_ptr<const FileBytes>(copy);
}

Result<void> FileBytes::map(Descriptor file) {
  const auto size = static_cast<std::size_t>(stamp_.size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (data == MAP_FAILED) return file_error(path_, errno);
  bytes_ = {static_cast<const std::byte*>(data), size};
  file_ = std::move(file);
  return {};
}

Result<void> FileBytes::take(std::span<const std::byte> bytes) {
  auto buffer = Buffer::allocate(bytes.size(), "a copy of the model file");
  if (!buffer) return buffer.error();
  std::copy(bytes.begin(), bytes.end(), buffer->data());
  copy_ = std::move(*buffer);
  bytes_ = {copy_.data(), bytes.size()};
  return {};
}

Result<void> FileBytes::read(const Descriptor& file, std::string_view since) {
  let_writes_show(file, stamp_.seconds, stamp_.nanoseconds);
  const auto unchanged = [&]() -> Result<void> {
    struct stat status {};
    if (::fstat(file.number(), &status) != 0) return file_error(path_, errno);
    if (stamp_of(status) == stamp_) return {};
    return Error(Code::bad_file, quoted(path_) + ": has been changed " + std::string(since) +
                                     "; try again when it is whole and nobody writes to it");
  };
  if (auto checked = unchanged(); !checked) return checked.error();
  const auto size = static_cast<std::size_t>(stamp_.size);
  auto buffer = Buffer::allocate(size, "a copy of the model file");
  if (!buffer) return buffer.error();
  const ReadAt read_at = [&](std::span<std::byte> bytes, std::size_t offset) {
    return ::pread(file.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  };
  if (auto whole = read_whole(path_, read_at, {buffer->data(), size}); !whole) return whole.error();
  if (auto checked = unchanged(); !checked) return checked.error();
  copy_ = std::move(*buffer);
  bytes_ = {copy_.data(), size};
  return {};
}

FileBytes::~FileBytes() {
  if (is_mapped()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<void> read_whole(const std::string& path, const ReadAt& read, std::span<std::byte> into) {
  for (std::size_t done = 0; done < into.size();) {
    const ssize_t count = read(into.subspan(done), done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error(path, errno);
    if (count == 0) {
      return Error(Code::bad_file,
                   quoted(path) + ": ended after " + std::to_string(done) + " of its " + std::to_string(into.size()) +
                       " bytes while it was copied; try again when it is whole and nobody writes to it");
    }
    done += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace troupe
