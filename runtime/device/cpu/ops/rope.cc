#include <cmath>

#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

const float* angles(const Op& op, const OpContext& c, std::size_t row) {
  return c.step().angles.data() + (op.rope * c.step().rows() + row) * op.head_dim;
}

void rotate(const Op& op, const OpContext& c, ValueId x, std::size_t row) {
  c.kernels().rope(c.f32(x, row), c.columns(x) / op.head_dim, op.head_dim, angles(op, c, row), c.shard().rope_style);
}

/// The cache holds F16: what is no number, or rounds beyond the largest, would be clipped in silence.
bool beyond_f16(const float* values, std::size_t count) {
  constexpr float largest = 65520.0F;
  std::uint32_t beyond = 0;
  for (std::size_t i = 0; i < count; ++i) beyond |= static_cast<std::uint32_t>(!(std::fabs(values[i]) < largest));
  return beyond != 0;
}

void append(const Op& op, const OpContext& c, const StepRows::Slice& slice, std::size_t row, ValueId k, ValueId v) {
  if (!slice.cached) return;
  const std::size_t columns = op.kv_heads * op.head_dim;
  if (beyond_f16(c.f32(k, row), columns) || beyond_f16(c.f32(v, row), columns)) c.overflow(op.layer)[row] = kv_overflow;
  const std::size_t position = slice.first_position + row - slice.first_row;
  std::byte* layer = c.kv_blocks(slice, op.kv_layer)[position / kernels::kv_block] + c.kv_offset(op.kv_layer);
  for (std::size_t head = 0; head < op.kv_heads; ++head) {
    c.kernels().kv_append(c.f32(k, row) + head * op.head_dim, c.f32(v, row) + head * op.head_dim, op.head_dim,
                          position % kernels::kv_block, layer + head * kernels::kv_head_bytes(op.head_dim));
  }
}

template <class Visit>
void share_rows(const OpContext& c, const Visit& visit) {
  const auto [first, last] = c.share(c.rows);
  for (const auto& slice : c.step().slices) {
    const std::size_t from = std::max<std::size_t>(first, slice.first_row);
    const std::size_t to = std::min<std::size_t>(last, slice.first_row + slice.rows);
    for (std::size_t row = from; row < to; ++row) visit(slice, row);
  }
}

void run_rope(const Op& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) rotate(op, c, op.in[0], row);
}

void run_kv_append(const Op& op, OpContext& c) {
  share_rows(c, [&](const StepRows::Slice& slice, std::size_t row) { append(op, c, slice, row, op.in[0], op.in[1]); });
}

void run_rope_append(const Op& op, OpContext& c) {
  share_rows(c, [&](const StepRows::Slice& slice, std::size_t row) {
    rotate(op, c, op.in[0], row);
    rotate(op, c, op.in[1], row);
    append(op, c, slice, row, op.in[1], op.in[2]);
  });
}

}  // namespace

extern const OpKind rope{"rope", run_rope};
extern const OpKind kv_append{"kv_append", run_kv_append};
extern const OpKind rope_append{"rope_append", run_rope_append};

}  // namespace troupe::ops
