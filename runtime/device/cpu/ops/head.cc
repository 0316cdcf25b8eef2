#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {

void run(const ops::SelectWanted& op, OpContext& c) {
  if (c.thread() == 0) c.shard().counts[op.space] = c.step().wanted.size();
}

void run(const ops::GatherRows& op, OpContext& c) {
  c.copy_rows(op.x, op.y, [&](std::size_t row) { return c.step().wanted[c.first + row].row; });
}

void run(const ops::AllGather& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  const auto tensor = [&](ValueId id) { return transport::tensor_of(c.f32(id), c.rows, c.columns(id)); };
  transport::Tensor all = tensor(op.all);
  transport::Communicator& group = *shard.groups[op.group];
  if (group.rank() != 0) all.data = nullptr;
  c.begin(op.done, group.all_gather(tensor(op.x), all, shard.deadline));
}

}  // namespace troupe::cpu
