#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "troupe/error.hpp"
#include "troupe/token.hpp"

namespace troupe {

/// Which row of a step's tensors belongs to whom. Valid during one on_step.
struct StepRow {
  std::uint64_t request = 0;   ///< Generation::id(), Request::id()
  std::uint32_t position = 0;  ///< of the row's token in its sequence, from 0
  TokenId token = no_token;    ///< the row's token: the prompt's, and from there on those that were sampled
  std::string_view user{};     ///< GenerateOptions::user
};

/// Where StepView::fail puts what it is given.
class RowFailures {
 public:
  virtual void fail(std::size_t row, Error why) = 0;

 protected:
  ~RowFailures() = default;
};

/// A [rows, columns] matrix of floats, rows contiguous. A view that is valid during one on_step.
template <class Float>
struct BasicMatrixView {
  Float* data = nullptr;
  std::size_t rows = 0, columns = 0;
  [[nodiscard]] std::span<Float> row(std::size_t i) const { return {data + i * columns, columns}; }
};
using MatrixView = BasicMatrixView<float>;
using ConstMatrixView = BasicMatrixView<const float>;

/// What a host's actor sees of one step: `in` came from its port "in"; `out`, of the same shape and already a copy of
/// `in`, leaves through its port "out".
struct StepView {
  std::uint64_t step;
  std::span<const StepRow> rows;
  ConstMatrixView in;
  MatrixView out;
  RowFailures* failures;  ///< the runtime's, for fail()

  /// Ends the request of one row with this error, and nothing else: the step's other requests do not notice, and what
  /// is in that row of `out` counts for nothing. Of several failures of a request the first counts. Throws
  /// invalid_argument where there is no such row.
  void fail(std::size_t row, Error why) const { failures->fail(row, std::move(why)); }
};

/// A host's own actor between two others: a tap, a filter, a router. One object a node and replica; called on one
/// thread of the runtime, a step at a time, in order. Where a replica comes back, or is added, its nodes are made anew,
/// and what they knew is gone; requests that go on there, or had to give back their memory, are computed again: their
/// rows are seen once more. What it throws ends the requests of that step with an error, and nothing else: an Error
/// keeps its code, anything else becomes `failed`; StepView::fail ends one of them. It must not wait for a request of
/// its own model, which could not go on meanwhile: what would wait throws invalid_argument; nor for another model, an
/// actor of which waits for this one. A good row that it makes bad ends that row's request with out_of_range: a hidden
/// state that is no number or beyond +-2^48; logits to sample from of which one is no number or all are minus infinity
/// (plus infinity wins).
class Actor {
 public:
  virtual ~Actor() = default;
  virtual void on_step(const StepView& step) = 0;
};

/// Makes the actor of a node; `options` are the node's. On the thread that loads the model, where what it throws fails
/// the load, an Error with its code; later, for a replica that comes back or is added, on one of the runtime's, and for
/// several models at once. Lives as long as its runtime and their models.
using ActorFactory = std::function<std::unique_ptr<Actor>(const std::map<std::string, std::string>& options)>;

}  // namespace troupe
