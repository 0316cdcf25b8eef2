#include "runtime/tiers/disk_file.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr unsigned depth = 8;                          // reads under way, of so many bytes each: what it takes to have
constexpr std::size_t piece = std::size_t{1} << 20;  // all that NVMe and network disks give

Error failed(const std::string& path, std::uint64_t offset, const std::string& why) {
  return {Code::failed, quoted(path) + ": reading at " + std::to_string(offset) + ": " + why};
}

}  // namespace

/// Reads of one file that are under way.
class DiskFile::Ring {
 public:
  static std::unique_ptr<Ring> create() {
    auto ring = std::unique_ptr<Ring>(new Ring);
    ring->made_ = io_uring_queue_init(depth, &ring->ring_, 0) == 0;
    return ring->made_ ? std::move(ring) : nullptr;
  }
  ~Ring() {
    if (made_) io_uring_queue_exit(&ring_);
  }

  /// Returns when none is under way, however it ends: the kernel must not write into memory that is given back.
  Result<void> read(int file, const std::string& path, std::uint64_t offset, std::span<std::byte> into) {
    std::size_t asked = 0, under_way = 0;
    Result<void> outcome;
    for (Read& read : reads_) read = {};
    while (outcome.ok() && asked < into.size() && under_way < depth) {
      const std::size_t bytes = std::min(piece, into.size() - asked);
      begin(file, reads_[under_way++], {offset + asked, into.subspan(asked, bytes)});
      asked += bytes;
    }
    while (under_way > 0) {
      io_uring_cqe* done = nullptr;
      int waited = io_uring_submit_and_wait(&ring_, 1);
      if (waited >= 0) waited = io_uring_peek_cqe(&ring_, &done);
      if (waited == -EINTR || waited == -EAGAIN || waited == -EBUSY) continue;
      if (waited < 0) return failed(path, offset, std::strerror(-waited));  // the ring is broken, and will stay so
      Read& read = *static_cast<Read*>(io_uring_cqe_get_data(done));
      const int got = done->res;
      io_uring_cqe_seen(&ring_, done);
      --under_way;
      if (got <= 0 && got != -EINTR && got != -EAGAIN) {
        outcome = failed(path, read.offset, got == 0 ? "it ends there" : std::strerror(-got));
      }
      if (!outcome) continue;
      const auto taken = static_cast<std::size_t>(std::max(got, 0));
      read = {read.offset + taken, read.into.subspan(taken)};
      if (read.into.empty() && asked < into.size()) {
        const std::size_t bytes = std::min(piece, into.size() - asked);
        read = {offset + asked, into.subspan(asked, bytes)};
        asked += bytes;
      }
      if (read.into.empty()) continue;
      begin(file, read, read);
      ++under_way;
    }
    return outcome;
  }

 private:
  struct Read {
    std::uint64_t offset = 0;
    std::span<std::byte> into;
  };

  void begin(int file, Read& place, Read read) {
    place = read;
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);  // there are as many as reads under way
    io_uring_prep_read(entry, file, place.into.data(), static_cast<unsigned>(place.into.size()), place.offset);
    io_uring_sqe_set_data(entry, &place);
  }

  io_uring ring_{};
  bool made_ = false;
  std::array<Read, depth> reads_;
};

DiskFile::DiskFile(std::string path, Descriptor file)
    : path_(std::move(path)), file_(std::move(file)), ring_(Ring::create()) {}
DiskFile::~DiskFile() = default;

Result<std::unique_ptr<DiskFile>> DiskFile::open(const std::string& path) {
  int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (number < 0 && errno == EINVAL) number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) return Error(Code::failed, quoted(path) + ": " + std::strerror(errno));
  return std::unique_ptr<DiskFile>(new DiskFile(path, Descriptor(number)));
}

Result<void> DiskFile::read(std::uint64_t offset, std::span<std::byte> into) {
  return ring_ != nullptr ? ring_->read(file_.number(), path_, offset, into) : read_in_turn(offset, into);
}

Result<void> DiskFile::read_in_turn(std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = pread(file_.number(), into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return failed(path_, offset, got == 0 ? "it ends there" : std::strerror(errno));
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

}  // namespace troupe
