#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

using Activation = decltype(kernels::KernelTable::silu_mul);

/// One tile of the fused gate: 96 columns are two of the kernels' widest tiles of weight rows, and the products of 128
/// tokens, gate and up, stay in the second-level cache with their weights.
constexpr std::size_t tile_blocks = 3, tile_columns = tile_blocks * kernels::block_columns, tile_tokens = 128;
static_assert(2 * tile_tokens * tile_columns <= scratch_floats);

void plain(const Op& op, OpContext& c, Activation activation) {
  constexpr std::size_t piece = kernels::block_columns;
  const std::size_t pieces = c.columns(op.in[0]) / piece;
  const auto [first, last] = c.share(c.rows * pieces);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / pieces, at = i % pieces * piece;
    activation(c.f32(op.in[0], row) + at, c.f32(op.in[1], row) + at, piece, c.f32(op.out[0], row) + at);
  }
}

/// Tile by tile: both products, the activation, the quantisation. The weights of a tile stay in the second-level cache
/// while the tokens pass.
void gate(const Op& op, OpContext& c, Activation activation) {
  float* const gates = c.scratch();
  float* const ups = gates + tile_tokens * tile_columns;
  kernels::MatmulArgs args{};
  args.in_stride = c.columns(op.in[0]) / kernels::block_columns;
  args.out_stride = tile_columns;
  const auto [first, last] = c.share(c.columns(op.out[0]) / kernels::block_columns);
  for (std::size_t block = first; block < last; block += tile_blocks) {
    const std::size_t columns = std::min(tile_blocks, last - block) * kernels::block_columns;
    const std::size_t groups = columns / kernels::group_rows;
    const auto product = [&](WeightId weight, float* tile) {
      const auto part =
          kernels::groups_of(c.weight(weight).matrix, block * kernels::block_columns / kernels::group_rows, groups);
      args.weights = &part;
      args.out = tile;
      c.kernels().matmul(args, 0, groups);
    };
    for (std::size_t row = 0; row < c.rows; row += tile_tokens) {
      args.in = c.q8(op.in[0], row);
      args.tokens = std::min(tile_tokens, c.rows - row);
      product(op.weights[0], gates);
      product(op.weights[1], ups);
      for (std::size_t i = 0; i < args.tokens; ++i) {
        float* const x = gates + i * tile_columns;
        activation(x, ups + i * tile_columns, columns, x);
        c.kernels().quantize(x, columns, c.q8(op.out[0], row + i) + block);
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
