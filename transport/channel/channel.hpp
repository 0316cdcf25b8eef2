#pragma once

#include <cstddef>
#include <memory>

#include "transport/queue.hpp"
#include "transport/tensor.hpp"
#include "transport/waiter.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// One direction between two ranks, first in, first out. One thread sends, one receives.
/// A call that fails, by its deadline too, leaves the channel aborted.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Copies `tensor` out; waits while the channel is full. A tensor larger than the channel's slots is an error.
  [[nodiscard]] virtual Result<Event> send(Queue& queue, Tensor tensor, Deadline deadline) = 0;

  /// Fills `tensor` with the next one sent; waits while the channel is empty. One of another
  /// element type, rows or columns is an error.
  [[nodiscard]] virtual Result<Event> receive(Queue& queue, Tensor tensor, Deadline deadline) = 0;

  /// From any thread: every waiter, and every later call, returns with the error.
  virtual void abort(Error why) = 0;
};

/// A ring of `slots` (at least one) buffers of `slot_bytes`, allocated here, between two threads of this process.
[[nodiscard]] std::unique_ptr<Channel> make_in_process_channel(std::size_t slots, std::size_t slot_bytes,
                                                               WaitPolicy policy);

}  // namespace troupe::transport
