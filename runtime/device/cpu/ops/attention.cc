#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

kernels::AttentionArgs arguments(const Op& op, const OpContext& c, const StepRows::Slice& slice, ValueId q,
                                 float* out) {
  kernels::AttentionArgs args{};
  args.q_stride = c.columns(q);
  args.q = c.f32(q, slice.first_row);
  args.out_stride = op.heads * op.head_dim;
  args.out = out;
  args.tokens = slice.rows;
  args.first_position = slice.first_position;
  args.kv_blocks = c.kv_blocks(slice, op.kv_layer);
  args.kv_slot = c.shard().program->kv_slot.data();
  args.heads = op.heads;
  args.head_dim = op.head_dim;
  args.scale = op.number;
  args.window = op.window;
  args.kv_offset = c.kv_offset(op.kv_layer);
  return args;
}

std::size_t tiles(const StepRows::Slice& slice) {
  return (slice.rows + kernels::attention_tile - 1) / kernels::attention_tile;
}

/// Positions that one head of a tile reads, about.
std::size_t cost(const Op& op, const StepRows::Slice& slice, std::size_t tile) {
  const std::size_t seen = slice.first_position + (tile + 1) * kernels::attention_tile;
  return op.window == 0 ? seen : std::min<std::size_t>(seen, op.window + kernels::attention_tile);
}

/// Calls visit(slice, first item, last item) for this thread's share of all (tile, head) items, shared out by cost:
/// later tiles see more positions.
template <class Visit>
void share_items(const Op& op, const OpContext& c, const Visit& visit) {
  std::size_t total = 0;
  for (const auto& slice : c.step().slices) {
    for (std::size_t tile = 0; tile < tiles(slice); ++tile) total += op.heads * cost(op, slice, tile);
  }
  const auto [from, to] = c.share(total);
  std::size_t before = 0;
  for (const auto& slice : c.step().slices) {
    std::size_t first = SIZE_MAX, last = 0;
    for (std::size_t tile = 0; tile < tiles(slice); ++tile) {
      const std::size_t each = cost(op, slice, tile);
      for (std::size_t head = 0; head < op.heads; ++head, before += each) {
        if (before < from || before >= to) continue;
        first = std::min(first, tile * op.heads + head);
        last = tile * op.heads + head + 1;
      }
    }
    if (first < last && slice.cached) visit(slice, first, last);
  }
}

void run_attention(const Op& op, OpContext& c) {
  share_items(op, c, [&](const StepRows::Slice& slice, std::size_t first, std::size_t last) {
    c.kernels().attention(arguments(op, c, slice, op.in[0], c.f32(op.out[0], slice.first_row)), first, last);
  });
}

/// in: q, and the value that the plain op would have written, which holds this thread's items until they are quantised.
void run_attention_quantize(const Op& op, OpContext& c) {
  const std::size_t head_blocks = op.head_dim / kernels::block_columns;
  share_items(op, c, [&](const StepRows::Slice& slice, std::size_t first, std::size_t last) {
    c.kernels().attention(arguments(op, c, slice, op.in[0], c.f32(op.out[1], slice.first_row)), first, last);
    for (std::size_t item = first; item < last; ++item) {
      const std::size_t head = item % op.heads, row = item / op.heads * kernels::attention_tile;
      const std::size_t end = std::min<std::size_t>(row + kernels::attention_tile, slice.rows);
      for (std::size_t i = slice.first_row + row; i < slice.first_row + end; ++i) {
        c.kernels().quantize(c.f32(op.out[1], i) + head * op.head_dim, op.head_dim,
                             c.q8(op.out[0], i) + head * head_blocks);
      }
    }
  });
}

/// Calls visit(arguments of the row's slice, token within the slice, row of the step) for this thread's rows.
template <class Visit>
void share_rows(const Op& op, const OpContext& c, ValueId out, const Visit& visit) {
  const auto [first, last] = c.share(c.rows);
  for (const auto& slice : c.step().slices) {
    if (!slice.cached) continue;
    const kernels::AttentionArgs args = arguments(op, c, slice, op.in[0], c.f32(out, slice.first_row));
    for (std::size_t token = 0; token < slice.rows; ++token) {
      const std::size_t row = slice.first_row + token;
      if (row >= first && row < last) visit(args, token, row);
    }
  }
}

void run_attention_scores(const Op& op, OpContext& c) {
  const ValueId scores = op.out[0];
  share_rows(op, c, scores, [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    c.kernels().attention_scores(args, token, c.f32(scores, row), c.columns(scores) / op.heads);
  });
}

void run_attention_softmax(const Op& op, OpContext& c) {
  const ValueId scores = op.out[0], maxima = op.out[1], sums = op.out[2];
  share_rows(op, c, scores, [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    c.kernels().attention_softmax(args, token, c.f32(scores, row), c.columns(scores) / op.heads, c.f32(maxima, row),
                                  c.f32(sums, row), c.columns(maxima) / op.heads);
  });
}

void run_attention_values(const Op& op, OpContext& c) {
  const ValueId scores = op.in[1], maxima = op.in[2], sums = op.in[3];
  share_rows(op, c, op.out[0], [&](const kernels::AttentionArgs& args, std::size_t token, std::size_t row) {
    c.kernels().attention_values(args, token, c.f32(scores, row), c.columns(scores) / op.heads, c.f32(maxima, row),
                                 c.f32(sums, row), c.columns(maxima) / op.heads);
  });
}

}  // namespace

extern const OpKind attention_scores{"attention_scores", run_attention_scores};
extern const OpKind attention_softmax{"attention_softmax", run_attention_softmax};
extern const OpKind attention_values{"attention_values", run_attention_values};
extern const OpKind attention{"attention", run_attention};
extern const OpKind attention_quantize{"attention_quantize", run_attention_quantize};

}  // namespace troupe::ops
