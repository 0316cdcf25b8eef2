#pragma once

#include <cstddef>
#include <span>

#include "transport/event.hpp"
#include "transport/tensor.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// One rank's end of a group of ranks. Every rank calls the same collectives in the same order, each from one thread.
/// A call begins a collective, and may wait for the other ranks to do so; its event ends it. Until then tensors must
/// stay untouched, and those that are written overlap no other, on no rank, but for what is said below. Ranks that do
/// not agree about a call (operation, root, shapes) all get the error; one whose deadline passes names the ranks that
/// had not arrived. A call or event that fails leaves the group aborted, and so does a rank that is destroyed while
/// others wait for it. Once a rank is destroyed nothing that it began touches a tensor any more.
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// sum = the element-wise sum of every rank's `partial` (i64, the same shape everywhere; sum may be partial itself).
  /// Integers, which wrap where they overflow: the order in which ranks are added does not show.
  [[nodiscard]] virtual Result<Event> all_reduce(Tensor partial, Tensor sum, Deadline deadline) = 0;

  /// The same, but of the sum's rows each rank gets its own: those of rank 0 are as many as its `sum` has, then come
  /// those of rank 1, and together they are all. `sum` may be these rows of `partial`.
  [[nodiscard]] virtual Result<Event> reduce_scatter(Tensor partial, Tensor sum, Deadline deadline) = 0;

  /// out [rows, sum of every rank's columns] = the ranks' `in` [rows, columns of that rank] side by side in rank order.
  /// A rank that passes no `out` (null data) only gives; `in` may be its own columns of its `out`.
  [[nodiscard]] virtual Result<Event> all_gather(Tensor in, Tensor out, Deadline deadline) = 0;

  /// Rows from each rank to each: the first gives[0] rows of `in` go to rank 0, the next gives[1] to rank 1 and so on;
  /// `out` gets takes[0] rows of rank 0, then takes[1] of rank 1. Both have `size()` counts, looked at only during the
  /// call, and what one rank gives to another is what that takes from it.
  [[nodiscard]] virtual Result<Event> all_to_all(Tensor in, std::span<const std::size_t> gives, Tensor out,
                                                 std::span<const std::size_t> takes, Deadline deadline) = 0;

  /// Every rank's `tensor` becomes that of `root`.
  [[nodiscard]] virtual Result<Event> broadcast(Tensor tensor, int root, Deadline deadline) = 0;

  /// From any thread: every rank's waits, and every later call, return with the error.
  virtual void abort(Error why) = 0;
};

/// The end of a collective, for who has nothing to do meanwhile.
[[nodiscard]] inline Result<void> ended(const Result<Event>& begun, Deadline deadline) {
  if (!begun) return begun.error();
  return begun->wait(deadline);
}

}  // namespace troupe::transport
