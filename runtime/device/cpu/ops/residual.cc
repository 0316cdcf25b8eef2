#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

/// Thread 0 meets the other ranks; the team waits for it.
void reduce(OpContext& c, ValueId partial) {
  if (c.thread() == 0) {
    ShardState& shard = c.shard();
    const auto tensor = transport::tensor_of(c.fixed(partial), c.rows, c.columns(partial));
    const auto reduced = ended(shard.communicator->all_reduce(tensor, tensor, shard.deadline), shard.deadline);
    if (!reduced) c.fail(reduced.error());
  }
  c.barrier();
}

void run_all_reduce(const Op& op, OpContext& c) { reduce(c, op.in[0]); }

void run_from_fixed(const Op& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().from_fixed(c.fixed(op.in[0], row), c.columns(op.in[0]), c.f32(op.out[0], row));
  }
}

void run_add(const Op& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().add(c.f32(op.in[0], row), c.columns(op.in[0]), c.f32(op.in[1], row));
  }
}

/// The end of a row-parallel product, row by row while it is in the cache. weights: the norm of the sum where
/// `norm_first`, then the norm of what follows where there is a second output.
void run_residual(const Op& op, OpContext& c) {
  const ValueId y = op.in[0], into = op.in[1];
  const std::uint32_t columns = c.columns(into);
  const bool fixed = c.type(y) == ValueType::fixed;
  if (fixed && c.shard().communicator != nullptr) reduce(c, y);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    float* const hidden = c.f32(into, row);
    float* sum = c.scratch();
    if (fixed) {
      c.kernels().from_fixed(c.fixed(y, row), columns, sum);
    } else {
      sum = c.f32(y, row);
    }
    if (op.norm_first) {
      c.kernels().rms_norm(sum, c.weight(op.weights[0]).vector, op.number, columns, c.scratch());
      sum = c.scratch();
    }
    c.kernels().add(sum, columns, hidden);
    if (op.out.size() == 2) {
      c.kernels().rms_norm(hidden, c.weight(op.weights.back()).vector, op.number, columns, c.scratch());
      c.kernels().quantize(c.scratch(), columns, c.q8(op.out[1], row));
    }
  }
}

}  // namespace

extern const OpKind all_reduce{"all_reduce", run_all_reduce};
extern const OpKind from_fixed{"from_fixed", run_from_fixed};
extern const OpKind add{"add", run_add};
extern const OpKind residual{"residual", run_residual};

}  // namespace troupe::ops
