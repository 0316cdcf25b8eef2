#pragma once

#include <cstddef>
#include <vector>

#include "runtime/trace/recording.hpp"

namespace troupe::trace {

/// A place that a micro-batch passes: an event, by the row that it is of.
struct FlowPoint {
  std::size_t row;
  const Event* event;

  /// When it passes: what is sent leaves when sending begins, and what is received is there when receiving ends.
  [[nodiscard]] Time time() const;
};

/// The ways of micro-batches from stage to stage to sampler: of each at least two points, in order. Lives as long as
/// the recording.
[[nodiscard]] std::vector<std::vector<FlowPoint>> flows(const Recording& recording);

}  // namespace troupe::trace
