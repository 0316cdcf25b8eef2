#pragma once

#include <functional>

#include "actors/messages.hpp"
#include "runtime/deploy/order.hpp"

namespace troupe::actors {

/// An epoch whose KV caches are to hold what those of another held.
struct Legacy {
  Epoch of, to;
};

/// Who makes a replica's executors, on a thread of its own, since it takes time, and may wait for steps that are being
/// run. Each call's `done` comes once, later, on that thread; it throws nothing.
class Builder {
 public:
  virtual ~Builder() = default;

  /// Ends the executors of epoch `instead_of`, where it is not 0, and makes those of the order's.
  virtual void build(Order order, Epoch instead_of, std::function<void(Result<ReplicaPlan>)> done) = 0;

  /// Ends the steps of epochs whose schedulers have ended, and has the KV caches of others, whose schedulers have not
  /// begun, hold what theirs held, as far as there is room; nothing of it where memory is wanting.
  virtual void carry_over(std::vector<Legacy> legacies, std::function<void()> done) = 0;

  /// Ends the executors of an epoch.
  virtual void retire(Epoch epoch, std::function<void()> done) = 0;
};

}  // namespace troupe::actors
