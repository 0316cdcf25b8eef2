#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

/// For thread 0: begins to meet the other ranks.
Result<transport::Event> reduce(const OpContext& c, ValueId sum, GroupId group) {
  const auto tensor = transport::tensor_of(c.fixed(sum), c.rows, c.columns(sum));
  return c.shard().groups[group]->all_reduce(tensor, tensor, c.shard().deadline);
}

}  // namespace

void run(const ops::AllReduce& op, OpContext& c) {
  if (c.thread() == 0) c.begin(op.done, reduce(c, op.sum, op.group));
}

void run(const ops::Broadcast& op, OpContext& c) {
  if (c.thread() != 0) return;
  const auto tensor = transport::tensor_of(c.f32(op.value), c.rows, c.columns(op.value));
  c.begin(op.done, c.shard().groups[op.group]->broadcast(tensor, 0, c.shard().deadline));
}

void run(const ops::Await& op, OpContext& c) {
  if (c.thread() == 0) c.end(op.done);
}

void run(const ops::FromFixed& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().from_fixed(c.fixed(op.fixed, row), c.columns(op.fixed), c.f32(op.y, row));
  }
}

void run(const ops::Add& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().add(c.f32(op.y, row), c.columns(op.y), c.f32(op.into, row));
  }
}

/// Row by row, while it is in the cache.
void run(const ops::Residual& op, OpContext& c) {
  const std::uint32_t columns = c.columns(op.into);
  const bool fixed = c.type(op.y) == ValueType::fixed;
  if (op.group) {
    if (c.thread() == 0) c.end(reduce(c, op.y, *op.group));
    c.barrier();
  }
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    float* const into = c.f32(op.into, row);
    float* sum = c.scratch();
    if (fixed) {
      c.kernels().from_fixed(c.fixed(op.y, row), columns, sum);
    } else {
      sum = c.f32(op.y, row);
    }
    if (op.norm) {
      c.kernels().rms_norm(sum, c.weight(op.norm->scale).vector, op.norm->epsilon, columns, c.scratch());
      sum = c.scratch();
    }
    c.kernels().add(sum, columns, into);
    if (op.next) {
      c.kernels().rms_norm(into, c.weight(op.next->norm.scale).vector, op.next->norm.epsilon, columns, c.scratch());
      c.kernels().quantize(c.scratch(), columns, c.q8(op.next->q8, row));
    }
  }
}

}  // namespace troupe::cpu
