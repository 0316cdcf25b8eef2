#include "runtime/device/cpu/all_within.hpp"
#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

void rotate(const ops::Rope& op, const OpContext& c, std::size_t row) {
  const Rotation& rotation = c.shard().program->rotations[op.rotation];
  c.kernels().rope(c.f32(op.x, row), op.heads, op.head_dim, rotation.dims, c.angles(op.rotation, row), rotation.style);
}

/// The cache holds F16: what is no number, or rounds beyond the largest, would be clipped in silence.
constexpr float beyond_f16 = 65520.0F;

void append(const ops::KvAppend& op, const OpContext& c, const StepRows::Slice& slice, std::size_t row) {
  if (!slice.cached) return;
  const KvPlace& place = c.shard().program->kv[op.kv];
  const std::size_t heads = place.heads.size(), head_dim = place.head_dim;
  const float *const k = c.f32(op.k, row), *const v = c.f32(op.v, row);
  const std::size_t columns = heads * head_dim;
  if (!all_within(k, columns, beyond_f16)) c.flag(row, key_overflow);
  if (!all_within(v, columns, beyond_f16)) c.flag(row, value_overflow);
  const std::size_t position = slice.first_position + row - slice.first_row;
  const std::size_t block = position / kernels::kv_block;
  if (!c.shard().program->deal.has(static_cast<std::uint32_t>(block))) return;  // another rank's
  std::byte* layer = c.kv_blocks(slice, op.kv)[block] + place.offset;
  for (std::size_t head = 0; head < heads; ++head) {
    c.kernels().kv_append(k + head * head_dim, v + head * head_dim, head_dim, position % kernels::kv_block,
                          layer + head * kernels::kv_head_bytes(head_dim));
  }
}

template <class Visit>
void share_rows(const OpContext& c, const Visit& visit) {
  const auto [first, last] = c.share(c.rows);
  for (const auto& slice : c.slices) {
    const std::size_t from = std::max<std::size_t>(first, slice.first_row);
    const std::size_t to = std::min<std::size_t>(last, slice.first_row + slice.rows);
    for (std::size_t row = from; row < to; ++row) visit(slice, row);
  }
}

}  // namespace

void run(const ops::Rope& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) rotate(op, c, row);
}

void run(const ops::KvAppend& op, OpContext& c) {
  share_rows(c, [&](const StepRows::Slice& slice, std::size_t row) { append(op, c, slice, row); });
}

void run(const ops::RopeAppend& op, OpContext& c) {
  share_rows(c, [&](const StepRows::Slice& slice, std::size_t row) {
    rotate(op.q, c, row);
    rotate(op.k, c, row);
    append(op.append, c, slice, row);
  });
}

}  // namespace troupe::cpu
