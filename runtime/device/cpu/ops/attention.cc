#include <limits>

#include "runtime/device/cpu/all_within.hpp"
#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

using ops::AttentionShape;

kernels::AttentionArgs arguments(const AttentionShape& shape, const OpContext& c, const StepRows::Slice& slice,
                                 ValueId q, float* out) {
  kernels::AttentionArgs args{};
  args.q_stride = c.columns(q);
  args.q = c.f32(q, slice.first_row);
  args.out_stride = shape.heads * shape.head_dim;
  args.out = out;
  args.tokens = slice.rows;
  args.first_position = slice.first_position;
  args.kv_blocks = c.kv_blocks(slice, shape.kv);
  args.kv_head = shape.kv_head.data();
  args.heads = shape.heads;
  args.head_dim = shape.head_dim;
  args.scale = shape.scale;
  args.softcap = shape.softcap;
  args.window = shape.window;
  if (shape.sinks) args.sinks = c.weight(*shape.sinks).vector;
  args.kv_offset = c.kv_offset(shape.kv);
  return args;
}

std::size_t tiles(const StepRows::Slice& slice) {
  return (slice.rows + kernels::attention_tile - 1) / kernels::attention_tile;
}

/// Positions that one head of a tile reads, about.
std::size_t cost(const AttentionShape& shape, const StepRows::Slice& slice, std::size_t tile) {
  const std::size_t seen = slice.first_position + (tile + 1) * kernels::attention_tile;
  return shape.window == 0 ? seen : std::min<std::size_t>(seen, shape.window + kernels::attention_tile);
}

/// Calls visit(slice, first item, last item) for this thread's share of all (tile, head) items, shared out by cost:
/// later tiles see more positions.
template <class Visit>
void share_items(const AttentionShape& shape, const OpContext& c, const Visit& visit) {
  std::size_t total = 0;
  for (const auto& slice : c.slices) {
    for (std::size_t tile = 0; tile < tiles(slice); ++tile) total += shape.heads * cost(shape, slice, tile);
  }
  const auto [from, to] = c.share(total);
  std::size_t before = 0;
  for (const auto& slice : c.slices) {
    std::size_t first = SIZE_MAX, last = 0;
    for (std::size_t tile = 0; tile < tiles(slice); ++tile) {
      const std::size_t each = cost(shape, slice, tile);
      for (std::size_t head = 0; head < shape.heads; ++head, before += each) {
        if (before < from || before >= to) continue;
        first = std::min(first, tile * shape.heads + head);
        last = tile * shape.heads + head + 1;
      }
    }
    if (first < last && slice.cached) visit(slice, first, last);
  }
}

/// Calls visit(arguments of the row's slice, token within the slice, row of the step) for this thread's rows.
template <class Visit>
void share_rows(const AttentionShape& shape, const OpContext& c, ValueId q, ValueId out, const Visit& visit) {
  const auto [first, last] = c.share(c.rows);
  for (const auto& slice : c.slices) {
    if (!slice.cached) continue;
    const kernels::AttentionArgs args = arguments(shape, c, slice, q, c.f32(out, slice.first_row));
    for (std::size_t token = 0; token < slice.rows; ++token) {
      const std::size_t row = slice.first_row + token;
      if (row >= first && row < last) visit(args, token, row);
    }
  }
}

/// Keys and values are numbers, the cache sees to it; a query that is none makes none of all that follows.
void check_queries(const AttentionShape& shape, ValueId q, const OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    const bool finite = all_within(c.f32(q, row), shape.heads * shape.head_dim, std::numeric_limits<float>::infinity());
    if (!finite) c.flag(row, query_overflow);
  }
}

}  // namespace

void run(const ops::Attention& op, OpContext& c) {
  check_queries(op.shape, op.q, c);
  share_items(op.shape, c, [&](const StepRows::Slice& slice, std::size_t first, std::size_t last) {
    c.kernels().attention(arguments(op.shape, c, slice, op.q, c.f32(op.y, slice.first_row)), first, last);
  });
}

/// y holds this thread's items until they are quantised.
void run(const ops::AttentionQuantize& op, OpContext& c) {
  check_queries(op.shape, op.q, c);
  const std::size_t heads = op.shape.heads, head_dim = op.shape.head_dim;
  share_items(op.shape, c, [&](const StepRows::Slice& slice, std::size_t first, std::size_t last) {
    c.kernels().attention(arguments(op.shape, c, slice, op.q, c.f32(op.y, slice.first_row)), first, last);
    for (std::size_t item = first; item < last; ++item) {
      const std::size_t head = item % heads, row = item / heads * kernels::attention_tile;
      const std::size_t end = std::min<std::size_t>(row + kernels::attention_tile, slice.rows);
      for (std::size_t i = slice.first_row + row; i < slice.first_row + end; ++i) {
        c.kernels().quantize(c.f32(op.y, i) + head * head_dim, head_dim,
                             c.q8(op.q8, i) + head * head_dim / kernels::block_columns);
      }
    }
  });
}

void run(const ops::AttentionNodes& op, OpContext& c) {
  check_queries(op.shape, op.q, c);
  const KvDeal& deal = c.shard().program->deal;
  const NodePlan& plan = c.node_plan(op.shape.window);
  share_items(op.shape, c, [&](const StepRows::Slice& slice, std::size_t first, std::size_t last) {
    const kernels::DealtNodes dealt{deal.stretch, deal.parts, c.f32(op.found), plan.found.data() + slice.first_row};
    c.kernels().attention_nodes(arguments(op.shape, c, slice, op.q, c.f32(op.found)), dealt, deal.part, first, last);
  });
}

void run(const ops::MergeNodes& op, OpContext& c) {
  const KvDeal& deal = c.shard().program->deal;
  const NodePlan& plan = c.node_plan(op.shape.window);
  share_rows(op.shape, c, op.q, op.y, [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    const std::uint32_t* const first = plan.gathered.data() + row * deal.parts;
    c.kernels().attention_merge(args, {deal.stretch, deal.parts, c.f32(op.gathered), first}, token);
  });
}

void run(const ops::AttentionScores& op, OpContext& c) {
  check_queries(op.shape, op.q, c);
  const std::size_t stride = c.columns(op.scores) / op.shape.heads;
  share_rows(op.shape, c, op.q, op.scores, [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    c.kernels().attention_scores(args, token, c.f32(op.scores, row), stride);
  });
}

void run(const ops::AttentionSoftmax& op, OpContext& c) {
  const std::size_t stride = c.columns(op.scores) / op.shape.heads, blocks = c.columns(op.maxima) / op.shape.heads;
  share_rows(op.shape, c, op.q, op.scores, [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    c.kernels().attention_softmax(args, token, c.f32(op.scores, row), stride, c.f32(op.maxima, row),
                                  c.f32(op.sums, row), blocks);
  });
}

void run(const ops::AttentionValues& op, OpContext& c) {
  const std::size_t stride = c.columns(op.scores) / op.shape.heads, blocks = c.columns(op.maxima) / op.shape.heads;
  share_rows(op.shape, c, op.q, op.y, [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    c.kernels().attention_values(args, token, c.f32(op.scores, row), stride, c.f32(op.maxima, row), c.f32(op.sums, row),
                                 blocks);
  });
}

}  // namespace troupe::cpu
