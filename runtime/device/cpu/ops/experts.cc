#include <algorithm>
#include <cstring>

#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

using Product = decltype(kernels::KernelTable::matmul);

/// Each expert's product with its rows. Shared out are the groups of all experts' weights, each counted once for every
/// row that passes it.
void multiply(const auto& op, OpContext& c, Product product, kernels::MatmulArgs args, std::size_t out_bytes) {
  Routing& routing = c.shard().routing;
  const std::size_t groups = c.weight(op.experts[0]).matrix.groups();
  const auto [first, last] = c.share(c.rows * groups);
  std::byte* const out = static_cast<std::byte*>(args.out);
  std::uint8_t* const overflow = args.overflow;
  for (std::size_t expert = 0; expert < op.experts.size(); ++expert) {
    const std::size_t row = routing.first[expert], rows = routing.first[expert + 1] - row;
    if (rows == 0) continue;
    const auto edge = [&](std::size_t piece) {  // the first group that begins at it or behind
      const std::size_t mine = std::clamp(piece, row * groups, (row + rows) * groups) - row * groups;
      return (mine + rows - 1) / rows;
    };
    const std::size_t from = edge(first), to = edge(last);
    if (from >= to) continue;
    args.weights = &c.weight(op.experts[expert]).matrix;
    c.set_input(args, op.x, row);
    args.tokens = rows;
    args.out = out + row * args.out_stride * out_bytes;
    if (overflow != nullptr) args.overflow = overflow + row;
    product(args, from, to);
  }
}

}  // namespace

/// Each thread chooses for its rows; one lays them out.
void run(const ops::Route& op, OpContext& c) {
  Routing& routing = c.shard().routing;
  const std::size_t experts = c.columns(op.scores);
  if (c.thread() == 0) routing.begin(c.rows, op.choice.used, experts);
  c.barrier();
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    if (!routing.choose(row, c.f32(op.scores, row), experts, op.choice)) c.overflow()[row] = router_overflow;
  }
  c.barrier();
  if (c.thread() != 0) return;
  routing.lay(c.rows, op.choice.used);
  c.shard().counts[op.routed] = c.rows * op.choice.used;
}

void run(const ops::Dispatch& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t i = first; i < last; ++i) {
    std::memcpy(c.f32(op.y, i), c.f32(op.x, c.shard().routing.row[i]), c.columns(op.y) * sizeof(float));
  }
}

void run(const ops::ExpertMatmul& op, OpContext& c) {
  kernels::MatmulArgs args{};
  args.out = c.f32(op.y);
  args.out_stride = c.columns(op.y);
  multiply(op, c, c.kernels().matmul, args, sizeof(float));
}

void run(const ops::WeighExperts& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t i = first; i < last; ++i) {
    c.kernels().scale(c.shard().routing.weight[i], c.columns(op.x), c.f32(op.x, i));
  }
}

void run(const ops::ExpertPartial& op, OpContext& c) {
  kernels::MatmulArgs args{};
  args.out = c.fixed(op.partial);
  args.out_stride = c.columns(op.partial);
  args.overflow = c.shard().routing.overflow.data();
  multiply(op, c, c.kernels().matmul_partial, args, sizeof(std::int64_t));
}

/// Whole numbers: in whatever order. What has left its range says so with the row of the step.
void run(const ops::Combine& op, OpContext& c) {
  const Routing& routing = c.shard().routing;
  const std::uint32_t columns = c.columns(op.y);
  const std::size_t used = routing.place.size() / c.rows;
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    std::int64_t* const y = c.fixed(op.y, row);
    std::fill_n(y, columns, std::int64_t{0});
    for (std::size_t i = 0; i < used; ++i) {
      const std::uint32_t place = routing.place[row * used + i];
      const std::int64_t* const x = c.fixed(op.routed, place);
      for (std::uint32_t column = 0; column < columns; ++column) y[column] += x[column];
      std::uint8_t& flag = c.overflow()[row];
      if (routing.overflow[place] != 0 && flag == 0) flag = 1;  // what came before is the cause
    }
  }
}

}  // namespace troupe::cpu
