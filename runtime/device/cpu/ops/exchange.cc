#include <cstring>
#include <numeric>

#include "runtime/device/cpu/ops.hpp"
#include "runtime/program/rank_grid.hpp"

// How ranks that share out rows and experts give them to each other.

namespace troupe::cpu {
namespace {

transport::Tensor tensor(const OpContext& c, ValueId id, std::size_t rows) {
  if (c.type(id) == ValueType::fixed) return transport::tensor_of(c.fixed(id), rows, c.columns(id));
  if (c.type(id) == ValueType::f32) return transport::tensor_of(c.f32(id), rows, c.columns(id));
  return transport::tensor_of(c.bytes(id), rows, c.row_bytes(id));
}

std::size_t sum_of(const std::vector<std::size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

/// What each rank gives to this one. No peer's numbers may lead beyond the memory that there is.
Result<void> take_counts(Routing& routing, std::size_t rank, std::size_t most) {
  const std::size_t ranks = routing.gives.size();
  std::size_t all = 0;
  routing.takes.clear();
  for (std::size_t from = 0; from < ranks; ++from) {
    const std::int32_t count = routing.all_told[from * ranks + rank];
    if (count < 0 || static_cast<std::size_t>(count) > most - all) {
      return Error(Code::failed, "rank " + std::to_string(from) + " of the experts sends " + std::to_string(count) +
                                     " rows, more than a step has");
    }
    all += static_cast<std::size_t>(count);
    routing.takes.push_back(static_cast<std::size_t>(count));
  }
  return {};
}

/// Calls visit(columns of a row and rank, where they lie packed, bytes) for this thread's rows.
template <class Visit>
void move_heads(const OpContext& c, const std::vector<Range>& columns, ValueId x, ValueId packed, const Visit& visit) {
  const auto [first, last] = c.share(c.rows);
  float* of_rank = c.f32(packed);
  for (const Range& mine : columns) {
    for (std::size_t row = first; row < last; ++row) {
      visit(c.f32(x, row) + mine.first, of_rank + row * mine.size(), mine.size() * sizeof(float));
    }
    of_rank += c.rows * mine.size();
  }
}

}  // namespace

void run(const ops::OwnRows& op, OpContext& c) {
  c.copy_rows(op.x, op.y, [&](std::size_t row) { return c.base + row; });
}

/// Rows are one behind another, so that they can travel as columns of one.
void run(const ops::AllGatherRows& op, OpContext& c) {
  if (c.thread() != 0) return;
  const auto flat = [&](ValueId id, std::size_t rows) {
    return transport::tensor_of(c.f32(id), 1, rows * c.columns(id));
  };
  ShardState& shard = c.shard();
  c.begin(op.done,
          shard.groups[op.group]->all_gather(flat(op.x, c.rows), flat(op.all, c.step().rows()), shard.deadline));
}

void run(const ops::PackHeads& op, OpContext& c) {
  move_heads(c, op.columns, op.x, op.packed,
             [](float* there, float* packed, std::size_t bytes) { std::memcpy(packed, there, bytes); });
}

void run(const ops::UnpackHeads& op, OpContext& c) {
  move_heads(c, op.columns, op.x, op.packed,
             [](float* there, float* packed, std::size_t bytes) { std::memcpy(there, packed, bytes); });
}

/// What comes from a rank are its rows, and ranks have their rows in order: so they lie as rows of the step.
void run(const ops::ExchangeHeads& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  transport::Communicator& group = *shard.groups[op.group];
  const auto ranks = static_cast<std::uint32_t>(op.columns.size()), me = static_cast<std::uint32_t>(group.rank());
  const auto rows_of = [&](std::uint32_t rank) {
    return even_part(static_cast<std::uint32_t>(c.step().rows()), rank, ranks).size();
  };
  shard.gives.clear();
  shard.takes.clear();
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    const std::size_t their_heads = std::size_t{rows_of(me)} * op.columns[rank].size();
    const std::size_t their_rows = std::size_t{rows_of(rank)} * op.columns[me].size();
    shard.gives.push_back(op.back ? their_rows : their_heads);
    shard.takes.push_back(op.back ? their_heads : their_rows);
  }
  const auto elements = [&](ValueId id, const std::vector<std::size_t>& counts) {
    return transport::tensor_of(c.f32(id), sum_of(counts), 1);
  };
  c.begin(op.done, group.all_to_all(elements(op.x, shard.gives), shard.gives, elements(op.y, shard.takes), shard.takes,
                                    shard.deadline));
}

void run(const ops::PlanNodes& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  NodePlan& plan = c.node_plan(op.window);
  plan.plan(c.step().positions, shard.program->deal);
  shard.counts[op.found] = sum_of(plan.gives);
  shard.counts[op.gathered] = sum_of(plan.takes);
}

void run(const ops::ExchangeNodes& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  const NodePlan& plan = c.node_plan(op.window);
  c.begin(op.done,
          shard.groups[op.group]->all_to_all(tensor(c, op.found, sum_of(plan.gives)), plan.gives,
                                             tensor(c, op.gathered, sum_of(plan.takes)), plan.takes, shard.deadline));
}

void run(const ops::PlanExchange& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  Routing& routing = shard.routing;
  transport::Communicator& group = *shard.groups[op.group];
  routing.plan(c.f32(op.choice), c.rows, c.columns(op.choice) / 2, op.ranks, static_cast<std::uint32_t>(group.size()),
               static_cast<std::uint32_t>(group.rank()));
  const auto row = [](std::vector<std::int32_t>& numbers) {
    return transport::tensor_of(numbers.data(), 1, numbers.size());
  };
  c.end(group.all_gather(row(routing.told), row(routing.all_told), shard.deadline));
  if (c.broken()) return;
  const std::size_t most = shard.program->spaces[op.guests].most(c.step().rows());
  if (const auto taken = take_counts(routing, static_cast<std::size_t>(group.rank()), most); !taken)
    return c.fail(taken.error());
  shard.counts[op.sent] = routing.sent_row.size();
  shard.counts[op.guests] = sum_of(routing.takes);
}

void run(const ops::PickSent& op, OpContext& c) {
  c.copy_rows(op.x, op.y, [&](std::size_t row) { return c.shard().routing.sent_row[row]; });
}

void run(const ops::PickChoices& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t i = first; i < last; ++i) c.shard().routing.pick_choice(i, c.f32(op.choice), c.f32(op.y, i));
}

void run(const ops::AllToAll& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  const auto& gives = op.back ? shard.routing.takes : shard.routing.gives;
  const auto& takes = op.back ? shard.routing.gives : shard.routing.takes;
  c.begin(op.done, shard.groups[op.group]->all_to_all(tensor(c, op.x, sum_of(gives)), gives,
                                                      tensor(c, op.y, sum_of(takes)), takes, shard.deadline));
}

}  // namespace troupe::cpu
