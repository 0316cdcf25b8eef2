#include "runtime/program/context.hpp"
#include "runtime/program/ops/ops.hpp"

namespace troupe::ops {
namespace {

using Activation = decltype(kernels::KernelTable::silu_mul);

/// Tokens of one tile of the fused gate: its gate and up, 32 columns each, stay in the first-level cache.
constexpr std::size_t tile_rows = 64;

void plain(const Op& op, OpContext& c, Activation activation) {
  constexpr std::size_t piece = kernels::block_columns;
  const std::uint32_t pieces = c.columns(op.in[0]) / piece;
  const auto [first, last] = c.share(c.rows * pieces);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / pieces, at = i % pieces * piece;
    activation(c.f32(op.in[0], row) + at, c.f32(op.in[1], row) + at, piece, c.f32(op.out[0], row) + at);
  }
}

/// One block of 32 columns at a time, two groups of weight rows: both products, the activation, the quantisation.
void gate(const Op& op, OpContext& c, Activation activation) {
  constexpr std::size_t groups = kernels::block_columns / kernels::group_rows;
  float* const gates = c.scratch();
  float* const ups = gates + tile_rows * kernels::block_columns;
  const auto [first, last] = c.share(c.columns(op.out[0]) / kernels::block_columns);
  for (std::size_t row = 0; row < c.rows; row += tile_rows) {
    kernels::MatmulArgs args{};
    args.in_stride = c.columns(op.in[0]) / kernels::block_columns;
    args.in = c.q8(op.in[0], row);
    args.tokens = std::min(tile_rows, c.rows - row);
    args.out_stride = kernels::block_columns;
    for (std::size_t block = first; block < last; ++block) {
      const auto product = [&](WeightId weight, float* tile) {
        const kernels::PackedMatrix part = kernels::groups_of(c.weight(weight).matrix, block * groups, groups);
        args.weights = &part;
        args.out = tile;
        c.kernels().matmul(args, 0, groups);
      };
      product(op.weights[0], gates);
      product(op.weights[1], ups);
      for (std::size_t i = 0; i < args.tokens; ++i) {
        float* const x = gates + i * kernels::block_columns;
        activation(x, ups + i * kernels::block_columns, kernels::block_columns, x);
        c.kernels().quantize(x, kernels::block_columns, c.q8(op.out[0], row + i) + block);
      }
    }
  }
}

void run_silu_mul(const Op& op, OpContext& c) { plain(op, c, c.kernels().silu_mul); }
void run_gelu_mul(const Op& op, OpContext& c) { plain(op, c, c.kernels().gelu_mul); }
void run_silu_gate(const Op& op, OpContext& c) { gate(op, c, c.kernels().silu_mul); }
void run_gelu_gate(const Op& op, OpContext& c) { gate(op, c, c.kernels().gelu_mul); }

}  // namespace

extern const OpKind silu_mul{"silu_mul", run_silu_mul};
extern const OpKind gelu_mul{"gelu_mul", run_gelu_mul};
extern const OpKind silu_gate{"silu_gate", run_silu_gate};
extern const OpKind gelu_gate{"gelu_gate", run_gelu_gate};

}  // namespace troupe::ops
