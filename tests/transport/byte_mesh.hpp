#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "transport/collective/offer.hpp"
#include "transport/waiter.hpp"

namespace troupe::testing {

/// What is written into a socket: this header as numbers, then `length` bytes.
struct FrameHeader {
  enum Kind : std::uint64_t { tensor, taken, abort };
  std::uint64_t kind = tensor;
  std::uint64_t length = 0;
  std::uint64_t operation = 0, root = 0;             ///< of a collective; of an abort: its code
  std::uint64_t element = 0, rows = 0, columns = 0;  ///< of the tensor whose elements follow, or not
  std::uint64_t room = 0, out_element = 0, out_rows = 0, out_columns = 0;  ///< for what a collective gives
  static constexpr std::size_t most_counts = 16;                           ///< and so ranks
  std::array<std::size_t, most_counts> gives{}, takes{};                   ///< of an all_to_all
};

struct Frame {
  FrameHeader header;
  std::vector<std::byte> bytes;
  /// The tensor that came; its memory is the frame's.
  [[nodiscard]] transport::Tensor tensor();
};

/// The header of a tensor, its bytes to follow.
[[nodiscard]] FrameHeader header_of(const transport::Tensor& tensor);

/// One rank's sockets to the others. A thread reads what comes and lays it down by sender.
class Port {
 public:
  Port(std::size_t rank, std::size_t size) : rank_(rank), links_(size) {}
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// `gone`: what waits for that rank fails with once its side of the socket is closed.
  void connect(std::size_t other, int socket, Error gone);
  void start();

  [[nodiscard]] std::size_t rank() const { return rank_; }
  [[nodiscard]] std::size_t size() const { return links_.size(); }

  /// Writes a frame to another rank, with the elements of `tensor`, where there are some to send.
  void write(std::size_t to, FrameHeader header, const transport::Tensor* tensor = nullptr);

  /// Waits until `count` frames have come from that rank in all.
  [[nodiscard]] Result<void> wait_for(std::size_t from, std::uint64_t count, transport::WaitPolicy policy,
                                      transport::Deadline deadline, const char* what);
  [[nodiscard]] std::uint64_t arrived(std::size_t from) const { return links_[from]->arrived.value(); }
  [[nodiscard]] Frame take(std::size_t from);  ///< the next; it has come

  /// From any thread: ends what waits here, and tells the others.
  Error abort(Error why);
  [[nodiscard]] const transport::AbortFlag& aborted() const { return aborted_; }
  /// Whether nothing more will come from that rank.
  [[nodiscard]] const transport::AbortFlag& closed(std::size_t from) const { return links_[from]->closed; }

  /// The last word: the others read the end of the stream behind what was sent.
  void leave();

 private:
  struct Link {
    Link(int fd, Error why) : socket(fd), gone(std::move(why)) {}
    int socket;
    Error gone;
    std::mutex writing;
    transport::Counter arrived;
    transport::AbortFlag closed;
    std::mutex mutex;
    std::deque<Frame> inbox;  ///< guarded by mutex
  };

  void read_all();
  bool read_one(Link& link);  ///< false at the end of the stream
  void raise(const Error& why);

  std::size_t rank_;
  std::vector<std::unique_ptr<Link>> links_;  ///< by the rank at the other end; none to itself
  transport::AbortFlag aborted_;
  std::thread reader_;
};

/// Ranks that are joined each with each by a pair of sockets, and by nothing else.
class Mesh {
 public:
  /// `names`: of the ranks, for errors.
  Mesh(const std::string& name, const std::vector<std::string>& names);
  ~Mesh();
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;
  [[nodiscard]] Port& port(std::size_t rank) { return *ports_[rank]; }

 private:
  std::vector<std::unique_ptr<Port>> ports_;
};

}  // namespace troupe::testing
