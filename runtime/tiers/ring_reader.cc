#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/tiers/disk_readers.hpp"

namespace troupe {
namespace {

/// A read is asked for in pieces, so that a disk with several queues has all of them busy: at least of this size, and
/// so many at most.
constexpr std::size_t least_piece = std::size_t{1} << 20, most_pieces = 16;

/// All is done on the caller's thread; the kernel reads meanwhile.
class RingReader : public DiskReader {
 public:
  explicit RingReader(std::size_t places) : places_(places) {}
  bool set_up() {
    has_ring_ = io_uring_queue_init(static_cast<unsigned>((most_pieces + 1) * places_.size()), &ring_, 0) == 0;
    return has_ring_;
  }

  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader() override {
    if (!has_ring_) return;
    for (Place& place : places_) {
      while (place.under_way > 0 && reap(nullptr) == 0) {
      }
    }
    io_uring_queue_exit(&ring_);
  }

  void begin(std::size_t at, const std::string& path, std::span<std::byte> into) override {
    Place& place = places_[at];
    place.path = path;
    place.failed.reset();
    auto file = open_for_reading(path);
    if (!file) {
      place.failed = file.error();
      return;
    }
    place.file = std::move(*file);
    std::size_t piece = std::max(least_piece, into.size() / most_pieces);
    piece = (piece + alignment - 1) / alignment * alignment;
    std::uint64_t offset = 0;
    for (std::size_t i = 0; !into.empty(); ++i) {
      const std::size_t bytes = std::min(piece, into.size());
      place.pieces[i] = {&place, offset, into.first(bytes)};
      ask(place.pieces[i]);
      into = into.subspan(bytes);
      offset += bytes;
    }
    submit(place);
  }

  bool ready(std::size_t place) override {
    io_uring_cqe* done = nullptr;
    while (places_[place].under_way > 0 && io_uring_peek_cqe(&ring_, &done) == 0) (void)take_in(done);
    return places_[place].under_way == 0;
  }

  Result<void> wait(std::size_t at, std::chrono::nanoseconds patience) override {
    Place& place = places_[at];
    const auto end = std::chrono::steady_clock::now() + std::min(patience, longest);
    while (place.under_way > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return disk_stalls(place.path);
      __kernel_timespec time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      if (const int wrong = reap(&time); wrong != 0 && wrong != ETIME) return disk_error(place.path, 0, wrong);
    }
    place.file = Descriptor();
    return place.failed ? Result<void>(*place.failed) : Result<void>();
  }

 private:
  static constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);

  struct Place;
  struct Piece {
    Place* place = nullptr;
    std::uint64_t offset = 0;
    std::span<std::byte> into;
  };
  struct Place {
    std::string path;
    Descriptor file;
    Piece pieces[most_pieces + 1];
    std::size_t under_way = 0;
    std::optional<Error> failed;
  };

  void ask(Piece& piece) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {  // there are as many as pieces, so the kernel has not taken earlier ones
      piece.place->failed = disk_error(piece.place->path, piece.offset, EBUSY);
      return;
    }
    io_uring_prep_read(entry, piece.place->file.number(), piece.into.data(), static_cast<unsigned>(piece.into.size()),
                       piece.offset);
    io_uring_sqe_set_data(entry, &piece);
    ++piece.place->under_way;
  }

  void submit(Place& place) {
    int done = io_uring_submit(&ring_);
    while (done == -EINTR || done == -EAGAIN || done == -EBUSY) done = io_uring_submit(&ring_);
    if (done < 0 && !place.failed) place.failed = disk_error(place.path, 0, -done);
  }

  /// Waits for a piece, for as long as that. An errno, or 0.
  int reap(__kernel_timespec* time) {
    io_uring_cqe* done = nullptr;
    int came = -EINTR;
    while (came == -EINTR || came == -EAGAIN) {
      came = time == nullptr ? io_uring_wait_cqe(&ring_, &done) : io_uring_wait_cqe_timeout(&ring_, &done, time);
    }
    if (came < 0) return -came;
    return take_in(done);
  }

  int take_in(io_uring_cqe* done) {
    Piece* const piece = static_cast<Piece*>(io_uring_cqe_get_data(done));
    const int got = done->res;
    io_uring_cqe_seen(&ring_, done);
    Place& place = *piece->place;
    --place.under_way;
    if (got <= 0 && got != -EINTR && got != -EAGAIN) {
      if (!place.failed) place.failed = disk_error(place.path, piece->offset, -got);
      return 0;
    }
    const auto taken = static_cast<std::size_t>(std::max(got, 0));
    piece->offset += taken;
    piece->into = piece->into.subspan(taken);
    if (piece->into.empty() || place.failed) return 0;
    ask(*piece);
    submit(place);
    return 0;
  }

  io_uring ring_{};
  bool has_ring_ = false;
  std::vector<Place> places_;
};

}  // namespace

std::unique_ptr<DiskReader> ring_reader(std::size_t places) {
  auto ring = std::make_unique<RingReader>(places);
  if (!ring->set_up()) return nullptr;
  return ring;
}

}  // namespace troupe
