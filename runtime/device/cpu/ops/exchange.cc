#include <cstring>
#include <numeric>

#include "runtime/device/cpu/ops.hpp"

// How ranks that share out rows and experts give them to each other.

namespace troupe::cpu {
namespace {

void copy_row(const OpContext& c, ValueId x, std::size_t from, ValueId y, std::size_t to) {
  std::memcpy(c.f32(y, to), c.f32(x, from), c.columns(x) * sizeof(float));
}

transport::Tensor tensor(const OpContext& c, ValueId id, std::size_t rows) {
  if (c.type(id) == ValueType::fixed) return transport::tensor_of(c.fixed(id), rows, c.columns(id));
  return transport::tensor_of(c.f32(id), rows, c.columns(id));
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

}  // namespace

void run(const ops::OwnRows& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) copy_row(c, op.x, c.base + row, op.y, row);
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

void run(const ops::PlanExchange& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  Routing& routing = shard.routing;
  transport::Communicator& group = *shard.groups[op.group];
  routing.plan(c.f32(op.choice), c.rows, c.columns(op.choice) / 2, op.experts,
               static_cast<std::uint32_t>(group.size()));
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
  const auto [first, last] = c.share(c.rows);
  for (std::size_t i = first; i < last; ++i) copy_row(c, op.x, c.shard().routing.sent_row[i], op.y, i);
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
