#pragma once

#include <memory>
#include <vector>

#include "transport/queue.hpp"
#include "transport/tensor.hpp"
#include "transport/waiter.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// One rank's end of a group of ranks. Every rank calls the same collectives in the same order, each from one thread.
/// Calls are enqueued; tensors must stay untouched until the event has passed, and those that are written overlap no
/// other, on no rank, but for what is said below. Ranks that do not agree about a call (operation, root, shapes) all
/// get the error; one whose deadline passes names the ranks that had not arrived. A call that fails leaves the group
/// aborted.
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// sum = the element-wise sum of every rank's `partial` (i64, the same shape everywhere; sum may be partial itself).
  /// Integers, which wrap where they overflow: the order in which ranks are added does not show.
  [[nodiscard]] virtual Result<Event> all_reduce(Queue& queue, Tensor partial, Tensor sum, Deadline deadline) = 0;

  /// out [rows, sum of every rank's columns] = the ranks' `in` [rows, columns of that rank] side by side in rank order.
  /// A rank that passes no `out` (null data) only gives; `in` may be its own columns of its `out`.
  [[nodiscard]] virtual Result<Event> all_gather(Queue& queue, Tensor in, Tensor out, Deadline deadline) = 0;

  /// Every rank's `tensor` becomes that of `root`.
  [[nodiscard]] virtual Result<Event> broadcast(Queue& queue, Tensor tensor, int root, Deadline deadline) = 0;

  /// From any thread: every waiter, and every later call, returns with the error.
  virtual void abort(Error why) = 0;
};

/// The ends of a group of ranks that are threads of this process: they meet in shared memory, spin and then sleep.
/// None for a size below one.
[[nodiscard]] std::vector<std::unique_ptr<Communicator>> make_in_process_group(int size, WaitPolicy policy);

}  // namespace troupe::transport
