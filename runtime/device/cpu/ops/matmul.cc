#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

kernels::MatmulArgs arguments(const OpContext& c, ValueId x, WeightId weight) {
  kernels::MatmulArgs args{};
  args.weights = &c.weight(weight).matrix;
  c.set_input(args, x);
  args.tokens = c.rows;
  return args;
}

/// The leaves of a row-parallel product, into y.
void run_leaves(kernels::MatmulArgs args, OpContext& c, decltype(kernels::KernelTable::matmul) product, ValueId y,
                void* out) {
  if (c.rows == 0) return;
  args.out = out;
  args.out_stride = c.columns(y);
  args.overflow = c.overflow();
  const auto [first, last] = c.share(args.weights->groups());
  if (first < last) product(args, first, last);
}

}  // namespace

/// The groups of all products are shared out as one row of work.
void run(const ops::Matmul& op, OpContext& c) {
  if (c.rows == 0) return;
  std::size_t groups = 0;
  for (const ops::Product& product : op.products) groups += c.weight(product.weight).matrix.groups();
  const auto [first, last] = c.share(groups);
  std::size_t before = 0;
  for (const ops::Product& product : op.products) {
    kernels::MatmulArgs args = arguments(c, op.x, product.weight);
    args.out = c.f32(product.y);
    args.out_stride = c.columns(product.y);
    const std::size_t mine = args.weights->groups();
    const std::size_t from = std::clamp(first, before, before + mine) - before;
    const std::size_t to = std::clamp(last, before, before + mine) - before;
    if (from < to) c.kernels().matmul(args, from, to);
    before += mine;
  }
}

void run(const ops::MatmulPartial& op, OpContext& c) {
  run_leaves(arguments(c, op.x, op.weight), c, c.kernels().matmul_partial, op.partial, c.fixed(op.partial));
}

void run(const ops::MatmulLeaves& op, OpContext& c) {
  run_leaves(arguments(c, op.x, op.weight), c, c.kernels().matmul_leaves, op.y, c.f32(op.y));
}

}  // namespace troupe::cpu
