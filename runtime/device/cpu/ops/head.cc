#include <cstring>

#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

void run_gather_rows(const Op& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t i = first; i < last; ++i) {
    const float* row = c.f32(op.in[0], c.step().wanted[c.first_wanted + i].row);
    std::memcpy(c.f32(op.out[0], i), row, c.columns(op.out[0]) * sizeof(float));
  }
}

void run_all_gather(const Op& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  const auto tensor = [&](ValueId id) { return transport::tensor_of(c.f32(id), c.rows, c.columns(id)); };
  transport::Tensor all = tensor(op.out[0]);
  if (shard.communicator->rank() != 0) all.data = nullptr;
  const auto gathered = ended(shard.communicator->all_gather(tensor(op.in[0]), all, shard.deadline), shard.deadline);
  if (!gathered) c.fail(gathered.error());
}

}  // namespace

extern const OpKind gather_rows{"gather_rows", run_gather_rows};
extern const OpKind all_gather{"all_gather", run_all_gather};

}  // namespace troupe::ops
