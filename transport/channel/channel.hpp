#pragma once

#include <cstddef>

#include "transport/deadline.hpp"
#include "transport/tensor.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// The end of a channel that gives. A channel is one direction between two ranks, first in, first out; each end is used
/// by one thread. A call that fails, by its deadline too, leaves the channel aborted. Where the receiver has been
/// destroyed, sending fails.
class Sender {
 public:
  virtual ~Sender() = default;

  /// Copies `tensor` out; waits while the channel is full. A tensor larger than the channel's slots is an error.
  [[nodiscard]] virtual Result<void> send(Tensor tensor, Deadline deadline) = 0;

  /// From any thread: both ends' waits, and every later call, return with the error.
  virtual void abort(Error why) = 0;
};

/// The end that takes. Where the sender has been destroyed, what it had sent can still be received; after that
/// receiving fails.
class Receiver {
 public:
  virtual ~Receiver() = default;

  /// Fills `tensor` with the next one sent; waits while the channel is empty. One of another element type, rows or
  /// columns is an error.
  [[nodiscard]] virtual Result<void> receive(Tensor tensor, Deadline deadline) = 0;

  /// As Sender's.
  virtual void abort(Error why) = 0;
};

/// What every channel checks: a tensor that goes into a slot, and one that is to be filled with what was sent.
[[nodiscard]] Result<void> check_fits(const Tensor& tensor, std::size_t slot_bytes);
[[nodiscard]] Result<void> check_same(const Tensor& sent, const Tensor& room);

}  // namespace troupe::transport
