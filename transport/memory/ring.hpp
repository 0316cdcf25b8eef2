#pragma once

#include <memory>
#include <vector>

#include "transport/transport.hpp"

namespace troupe::transport {

/// The buffers of a channel between two threads of this process, used in turn.
class Ring {
 public:
  explicit Ring(const ChannelSpec& spec);

  /// For the sender's thread, and for the receiver's.
  [[nodiscard]] Result<void> send(Tensor tensor, WaitPolicy policy, Deadline deadline);
  [[nodiscard]] Result<void> receive(Tensor tensor, WaitPolicy policy, Deadline deadline);

  /// From any thread.
  Error abort(Error why);

  /// Each end's last word; what the sender has left in the ring can still be received. Take no memory.
  void end_of_sender();
  void end_of_receiver();

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  struct Slot {
    explicit Slot(std::size_t bytes) : lines(bytes / sizeof(Line) + 1) {}
    std::vector<Line> lines;   // never resized: the receiver finds its way without waiting for what the sender wrote
    alignas(64) Tensor shape;  // of the tensor that lies in `lines`
  };

  std::vector<Slot> slots_;
  std::size_t slot_bytes_;
  AbortFlag aborted_;
  AbortFlag drained_;  ///< nothing will come any more: raised with `aborted_`, or by the sender's end
  Error no_sender_, no_receiver_;
  Counter sent_, received_;
};

[[nodiscard]] std::unique_ptr<Sender> make_ring_sender(std::shared_ptr<Ring> ring, WaitPolicy policy);
[[nodiscard]] std::unique_ptr<Receiver> make_ring_receiver(std::shared_ptr<Ring> ring, WaitPolicy policy);

}  // namespace troupe::transport
