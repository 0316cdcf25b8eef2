#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

using Activation = decltype(kernels::KernelTable::silu_mul);

/// One tile of the fused gate: 96 columns are two of the kernels' widest tiles of weight rows, and the products of 128
/// tokens, gate and up, stay in the second-level cache with their weights.
constexpr std::size_t tile_blocks = 3, tile_columns = tile_blocks * kernels::block_columns, tile_tokens = 128;
static_assert(2 * tile_tokens * tile_columns <= scratch_floats);

void multiply(const auto& op, OpContext& c, Activation activation) {
  constexpr std::size_t piece = kernels::block_columns;
  const std::size_t columns = c.columns(op.gate), pieces = (columns + piece - 1) / piece;
  const auto [first, last] = c.share(c.rows * pieces);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / pieces, at = i % pieces * piece;
    activation(c.f32(op.gate, row) + at, c.f32(op.up, row) + at, std::min(piece, columns - at), c.f32(op.y, row) + at);
  }
}

/// Tile by tile: both products, the activation, the quantisation. The weights of a tile stay in the second-level cache
/// while the tokens pass.
void run_gate(const auto& op, OpContext& c, Activation activation) {
  float* const gates = c.scratch();
  float* const ups = gates + tile_tokens * tile_columns;
  kernels::MatmulArgs args{};
  args.out_stride = tile_columns;
  const auto [first, last] = c.share(c.columns(op.y) / kernels::block_columns);
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
      c.set_input(args, op.x, row);
      args.tokens = std::min(tile_tokens, c.rows - row);
      product(op.gate, gates);
      product(op.up, ups);
      for (std::size_t i = 0; i < args.tokens; ++i) {
        float* const x = gates + i * tile_columns;
        activation(x, ups + i * tile_columns, columns, x);
        c.kernels().quantize(x, columns, c.q8(op.y, row + i) + block);
      }
    }
  }
}

}  // namespace

void run(const ops::Gelu& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().gelu(c.f32(op.x, row), c.columns(op.x), c.f32(op.y, row));
  }
}

void run(const ops::SiluMul& op, OpContext& c) { multiply(op, c, c.kernels().silu_mul); }
void run(const ops::GeluMul& op, OpContext& c) { multiply(op, c, c.kernels().gelu_mul); }
void run(const ops::SwigluOai& op, OpContext& c) { multiply(op, c, c.kernels().swiglu_oai); }
void run(const ops::SiluGate& op, OpContext& c) { run_gate(op, c, c.kernels().silu_mul); }
void run(const ops::GeluGate& op, OpContext& c) { run_gate(op, c, c.kernels().gelu_mul); }

}  // namespace troupe::cpu
