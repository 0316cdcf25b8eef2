#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace troupe {

/// Which row of a step's tensors belongs to whom.
struct StepRow {
  std::uint64_t request;   ///< Generation::id()
  std::uint32_t position;  ///< of the row's token in its sequence, from 0
};

/// A [rows, columns] float matrix, rows contiguous. A view that is valid during one on_step.
struct MatrixView {
  float* data = nullptr;
  std::size_t rows = 0, columns = 0;
  [[nodiscard]] std::span<float> row(std::size_t i) const { return {data + i * columns, columns}; }
};

/// What a host's actor sees of one step: `in` came from its port "in"; `out`, of the same shape and already a copy of
/// `in`, leaves through its port "out".
struct StepView {
  std::uint64_t step;
  std::span<const StepRow> rows;
  MatrixView in, out;
};

/// A host's own actor between two others: a tap, a filter, a router. One object a node; called on one thread of the
/// runtime, a step at a time, in order. What it throws ends the requests of that step with an error, and nothing else.
class Actor {
 public:
  virtual ~Actor() = default;
  virtual void on_step(const StepView& step) = 0;
};

/// Makes the actor of a node; `options` are the node's. What it throws fails the load.
using ActorFactory = std::function<std::unique_ptr<Actor>(const std::map<std::string, std::string>& options)>;

}  // namespace troupe
