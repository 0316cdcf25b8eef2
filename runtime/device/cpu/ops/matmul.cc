#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

kernels::MatmulArgs arguments(const OpContext& c, ValueId in, WeightId weight) {
  kernels::MatmulArgs args{};
  args.weights = &c.weight(weight).matrix;
  args.in = c.q8(in);
  args.in_stride = c.columns(in) / kernels::block_columns;
  args.tokens = c.rows;
  return args;
}

/// One product for each output, the groups of all of them shared out as one row of work.
void run_matmul(const Op& op, OpContext& c) {
  std::size_t groups = 0;
  for (const WeightId id : op.weights) groups += c.weight(id).matrix.groups();
  const auto [first, last] = c.share(groups);
  std::size_t before = 0;
  for (std::size_t i = 0; i < op.weights.size(); ++i) {
    kernels::MatmulArgs args = arguments(c, op.in[0], op.weights[i]);
    args.out = c.f32(op.out[i]);
    args.out_stride = c.columns(op.out[i]);
    const std::size_t mine = args.weights->groups();
    const std::size_t from = std::clamp(first, before, before + mine) - before;
    const std::size_t to = std::clamp(last, before, before + mine) - before;
    if (from < to) c.kernels().matmul(args, from, to);
    before += mine;
  }
}

void run_leaves(const Op& op, OpContext& c, decltype(kernels::KernelTable::matmul) product, void* out) {
  kernels::MatmulArgs args = arguments(c, op.in[0], op.weights[0]);
  args.out = out;
  args.out_stride = c.columns(op.out[0]);
  args.overflow = c.overflow(op.layer);
  const auto [first, last] = c.share(args.weights->groups());
  if (first < last) product(args, first, last);
}

void run_matmul_partial(const Op& op, OpContext& c) {
  run_leaves(op, c, c.kernels().matmul_partial, c.fixed(op.out[0]));
}

void run_matmul_leaves(const Op& op, OpContext& c) { run_leaves(op, c, c.kernels().matmul_leaves, c.f32(op.out[0])); }

}  // namespace

extern const OpKind matmul{"matmul", run_matmul};
extern const OpKind matmul_partial{"matmul_partial", run_matmul_partial};
extern const OpKind matmul_leaves{"matmul_leaves", run_matmul_leaves};

}  // namespace troupe::ops
