#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

void run_rms_norm(const Op& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().rms_norm(c.f32(op.in[0], row), c.weight(op.weights[0]).vector, op.number, c.columns(op.in[0]),
                         c.f32(op.out[0], row));
  }
}

void run_head_norm(const Op& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows * op.heads);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / op.heads, at = i % op.heads * op.head_dim;
    c.kernels().rms_norm(c.f32(op.in[0], row) + at, c.weight(op.weights[0]).vector, op.number, op.head_dim,
                         c.f32(op.out[0], row) + at);
  }
}

void run_quantize(const Op& op, OpContext& c) {
  const std::size_t blocks = c.columns(op.in[0]) / kernels::block_columns;
  const auto [first, last] = c.share(c.rows * blocks);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / blocks, block = i % blocks;
    c.kernels().quantize(c.f32(op.in[0], row) + block * kernels::block_columns, kernels::block_columns,
                         c.q8(op.out[0], row) + block);
  }
}

void run_norm_quantize(const Op& op, OpContext& c) {
  const std::uint32_t columns = c.columns(op.in[0]);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().rms_norm(c.f32(op.in[0], row), c.weight(op.weights[0]).vector, op.number, columns, c.scratch());
    c.kernels().quantize(c.scratch(), columns, c.q8(op.out[0], row));
  }
}

}  // namespace

extern const OpKind rms_norm{"rms_norm", run_rms_norm};
extern const OpKind head_norm{"head_norm", run_head_norm};
extern const OpKind quantize{"quantize", run_quantize};
extern const OpKind norm_quantize{"norm_quantize", run_norm_quantize};

}  // namespace troupe::ops
