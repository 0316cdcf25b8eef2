#include <algorithm>

#include "runtime/device/cpu/expert_capacity.hpp"
#include "runtime/device/cpu/fixed_leaf.hpp"
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

/// Calls visit(routed row, its expert, counted from the first here) for this thread's share.
template <class Visit>
void share_routed(const OpContext& c, const Visit& visit) {
  const auto [first, last] = c.share(c.rows);
  const std::vector<std::uint32_t>& begins = c.shard().routing.first;
  std::size_t expert = 0;
  for (std::size_t i = first; i < last; ++i) {
    while (begins[expert + 1] <= i) ++expert;
    visit(i, expert);
  }
}

/// In place of a row's first sum: one of them is beyond what fixed point holds, and no sum is this.
constexpr std::int64_t out_of_range = INT64_MAX;

/// What a peer sends may be anything: sums wrap, as those of collectives do.
void add(const std::int64_t* x, std::uint32_t columns, std::int64_t* y) {
  for (std::uint32_t i = 0; i < columns; ++i)
    y[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(y[i]) + static_cast<std::uint64_t>(x[i]));
}

}  // namespace

void run(const ops::Route& op, OpContext& c) {
  const float* const bias = op.bias ? c.weight(*op.bias).vector : nullptr;
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    if (!choose_experts(c.f32(op.scores, row), bias, c.columns(op.scores), op.how, c.scratch(), c.f32(op.choice, row)))
      c.flag(row, router_overflow);
  }
}

void run(const ops::LimitExperts& op, OpContext& c) {
  if (c.thread() != 0) return;
  ShardState& shard = c.shard();
  const float* const bias = op.route.bias ? c.weight(*op.route.bias).vector : nullptr;
  const BeyondCapacity beyond = limit_experts(c.f32(op.route.scores), bias, c.rows, c.columns(op.route.scores),
                                              op.route.how, shard.routing.room, c.f32(op.route.choice));
  if (op.counted && shard.expert_rows != nullptr)
    shard.expert_rows->add_beyond(c.layer, beyond.dropped, beyond.rerouted);
}

void run(const ops::LayExperts& op, OpContext& c) {
  if (c.thread() != 0) return;
  Routing& routing = c.shard().routing;
  const std::size_t most = c.shard().program->spaces[op.routed].most(c.step().rows());
  if (!routing.lay(c.f32(op.choice), c.rows, c.columns(op.choice) / 2, op.here, op.experts, most)) {
    return c.fail({Code::failed, "a rank of the experts sends rows that name one of them more than once"});
  }
  c.shard().counts[op.routed] = routing.row.size();
  if (ExpertCache* const cache = c.shard().expert_cache) {
    if (const auto came = cache->await(c.layer, routing.first, c.shard().deadline); !came) return c.fail(came.error());
  }
  if (!op.counted || c.shard().expert_rows == nullptr) return;
  for (std::size_t i = 0; i < op.here.size(); ++i) {
    c.shard().expert_rows->add(c.layer, op.here[i], routing.first[i + 1] - routing.first[i]);
  }
}

void run(const ops::Dispatch& op, OpContext& c) {
  c.copy_rows(op.x, op.y, [&](std::size_t row) { return c.shard().routing.row[row]; });
}

void run(const ops::ExpertMatmul& op, OpContext& c) {
  kernels::MatmulArgs args{};
  args.out = c.f32(op.y);
  args.out_stride = c.columns(op.y);
  multiply(op, c, c.kernels().matmul, args, sizeof(float));
}

void run(const ops::ExpertBias& op, OpContext& c) {
  share_routed(c, [&](std::size_t i, std::size_t expert) {
    c.kernels().add(c.weight(op.experts[expert]).vector, c.columns(op.x), c.f32(op.x, i));
  });
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

void run(const ops::ExpertBiasLeaf& op, OpContext& c) {
  Routing& routing = c.shard().routing;
  const std::uint32_t columns = c.columns(op.partial);
  share_routed(c, [&](std::size_t i, std::size_t expert) {
    const float* const bias = c.weight(op.experts[expert]).vector;
    std::int64_t* const partial = c.fixed(op.partial, i);
    for (std::uint32_t column = 0; column < columns; ++column) {
      const auto leaf = fixed_leaf(bias[column] * routing.weight[i]);
      if (!leaf) routing.overflow[i] = 1;
      partial[column] += leaf.value_or(0);
    }
  });
}

/// Whole numbers: in whatever order. What has left its range says so with its row.
void run(const ops::Combine& op, OpContext& c) {
  const Routing& routing = c.shard().routing;
  const std::uint32_t columns = c.columns(op.y);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    std::int64_t* const y = c.fixed(op.y, row);
    std::fill_n(y, columns, std::int64_t{0});
    bool in_range = true;
    for (std::size_t i = row * routing.used; i < (row + 1) * routing.used; ++i) {
      if (routing.place[i] == nowhere) continue;
      add(c.fixed(op.routed, routing.place[i]), columns, y);
      in_range &= routing.overflow[routing.place[i]] == 0;
    }
    if (in_range) continue;
    if (op.of_guests) {
      y[0] = out_of_range;
    } else {
      c.flag(row, sum_overflow);
    }
  }
}

void run(const ops::SumReturned& op, OpContext& c) {
  const Routing& routing = c.shard().routing;
  const std::size_t ranks = routing.gives.size();
  const std::uint32_t columns = c.columns(op.y);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    std::int64_t* const y = c.fixed(op.y, row);
    std::fill_n(y, columns, std::int64_t{0});
    for (std::size_t i = row * ranks; i < (row + 1) * ranks; ++i) {
      if (routing.sent_at[i] == nowhere) continue;
      const std::int64_t* const x = c.fixed(op.returned, routing.sent_at[i]);
      if (x[0] == out_of_range) {
        c.flag(row, sum_overflow);
      } else {
        add(x, columns, y);
      }
    }
  }
}

}  // namespace troupe::cpu
