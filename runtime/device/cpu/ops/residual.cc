#include "runtime/device/cpu/ops.hpp"
#include "runtime/program/rank_grid.hpp"

namespace troupe::cpu {
namespace {

Range part_of_rows(const OpContext& c, const transport::Communicator& group) {
  return troupe::part_of_rows(static_cast<std::uint32_t>(c.rows), static_cast<std::uint32_t>(group.rank()),
                              static_cast<std::uint32_t>(group.size()));
}

/// For thread 0, as all that begins a collective.
Result<transport::Event> all_reduce(const OpContext& c, ValueId sum, transport::Communicator& group) {
  const auto tensor = transport::tensor_of(c.fixed(sum), c.rows, c.columns(sum));
  return group.all_reduce(tensor, tensor, c.shard().deadline);
}

Result<transport::Event> reduce_rows(const OpContext& c, ValueId sum, transport::Communicator& group) {
  const Range mine = part_of_rows(c, group);
  if (mine.size() == c.rows) return all_reduce(c, sum, group);
  const auto all = transport::tensor_of(c.fixed(sum), c.rows, c.columns(sum));
  return group.reduce_scatter(all, rows_of(all, mine.first, mine.size()), c.shard().deadline);
}

/// Rows lie one behind another, so that they can travel as columns of one.
Result<transport::Event> gather_parts(const OpContext& c, ValueId x, transport::Communicator& group) {
  const Range mine = part_of_rows(c, group);
  if (mine.size() == c.rows) return transport::Event();
  const auto flat = [&](std::size_t first, std::size_t rows) {
    return transport::tensor_of(c.bytes(x, first), 1, rows * c.row_bytes(x));
  };
  return group.all_gather(flat(mine.first, mine.size()), flat(0, c.rows), c.shard().deadline);
}

}  // namespace

void run(const ops::AllReduce& op, OpContext& c) {
  if (c.thread() == 0) c.begin(op.done, all_reduce(c, op.sum, *c.shard().groups[op.group]));
}

void run(const ops::ReduceRows& op, OpContext& c) {
  if (c.thread() == 0) c.begin(op.done, reduce_rows(c, op.sum, *c.shard().groups[op.group]));
}

void run(const ops::GatherParts& op, OpContext& c) {
  if (c.thread() == 0) c.begin(op.done, gather_parts(c, op.x, *c.shard().groups[op.group]));
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
  transport::Communicator* const group = op.group ? c.shard().groups[*op.group].get() : nullptr;
  Range mine{0, static_cast<std::uint32_t>(c.rows)};
  if (group != nullptr) {
    mine = part_of_rows(c, *group);
    if (c.thread() == 0) {
      const trace::Span span(c.track(), ops::ReduceRows::name.data(), trace::Kind::transfer, c.layer);
      c.end(reduce_rows(c, op.y, *group));
    }
    c.barrier();
  }
  const auto [first, last] = c.share(mine.size());
  for (std::size_t row = mine.first + first; row < mine.first + last; ++row) {
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
  if (!op.next || !op.next->gathered || mine.size() == c.rows) return;
  c.barrier();
  if (c.thread() != 0 || c.broken()) return;
  const trace::Span span(c.track(), ops::GatherParts::name.data(), trace::Kind::transfer, c.layer);
  c.end(gather_parts(c, op.next->q8, *group));
}

}  // namespace troupe::cpu
