#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {

void run(const ops::RmsNorm& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().rms_norm(c.f32(op.x, row), c.weight(op.scale).vector, op.epsilon, c.columns(op.x), c.f32(op.y, row));
  }
}

void run(const ops::HeadNorm& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows * op.heads);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / op.heads, at = i % op.heads * op.head_dim;
    c.kernels().rms_norm(c.f32(op.x, row) + at, c.weight(op.scale).vector, op.epsilon, op.head_dim,
                         c.f32(op.y, row) + at);
  }
}

void run(const ops::Quantize& op, OpContext& c) {
  const std::size_t blocks = c.columns(op.x) / kernels::block_columns;
  const auto [first, last] = c.share(c.rows * blocks);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / blocks, block = i % blocks;
    c.kernels().quantize(c.f32(op.x, row) + block * kernels::block_columns, kernels::block_columns,
                         c.q8(op.y, row) + block);
  }
}

void run(const ops::NormQuantize& op, OpContext& c) {
  const std::uint32_t columns = c.columns(op.x);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().rms_norm(c.f32(op.x, row), c.weight(op.scale).vector, op.epsilon, columns, c.scratch());
    c.kernels().quantize(c.scratch(), columns, c.q8(op.y, row));
  }
}

}  // namespace troupe::cpu
