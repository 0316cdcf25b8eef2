// Attention of kernels/table.hpp over F32x16. Included inside an instruction set's namespace; the bits are those of
// kernels/reference/attention.cc.

namespace {

/// What one pass over the cache serves: some tiles, but few enough for the first-level cache, and for the nodes of a
/// deep tree on a thread's stack (12 KiB a level).
constexpr std::size_t max_rows = 48;
constexpr std::size_t max_node_floats = 3072;

/// Queries of heads that read the same KV head, ordered by position.
struct Rows {
  const AttentionArgs& args;
  std::size_t kv_offset;  ///< of their KV head in a block
  std::size_t count;
  const float* q[max_rows];
  float* out[max_rows];
  std::size_t position[max_rows];
  float sink[max_rows];  ///< where there are any
};

/// Rows [first, first + count) of the queries at tokens first_token.. by `heads` heads from first_head.
Rows make_rows(const AttentionArgs& args, std::size_t first_token, std::size_t first_head, std::size_t heads,
               std::size_t first, std::size_t count) {
  Rows rows{args, args.kv_offset + args.kv_head[first_head] * kv_head_bytes(args.head_dim), count, {}, {}, {}, {}};
  for (std::size_t r = 0; r < count; ++r) {
    const std::size_t token = first_token + (first + r) / heads, head = first_head + (first + r) % heads;
    const std::size_t column = head * args.head_dim;
    if (args.sinks != nullptr) rows.sink[r] = args.sinks[head];
    rows.q[r] = args.q + token * args.q_stride + column;
    rows.out[r] = args.out + token * args.out_stride + column;
    rows.position[r] = args.first_position + token;
  }
  return rows;
}

std::size_t first_visible(const Rows& rows, std::size_t row) {
  const std::size_t window = rows.args.window, position = rows.position[row];
  return window == 0 || position < window ? 0 : position - window + 1;
}

std::size_t place_in(std::size_t block, std::size_t position) {
  const std::size_t begin = block * kv_block;
  return position <= begin ? 0 : position - begin < kv_block ? position - begin : kv_block;
}

/// The places of a block that rows [first, last] see together; all of them lie in it.
Range visible_places(const Rows& rows, std::size_t first, std::size_t last, std::size_t block) {
  return {place_in(block, first_visible(rows, first)), place_in(block, rows.position[last] + 1)};
}

/// Calls f(first row, rows, the places of the block that they see) for tiles of rows.
template <class Function>
void for_each_tile(const Rows& rows, std::size_t block, Function f) {
  for (std::size_t r = 0, n = 0; r < rows.count; r += n) {
    n = next_tile(rows.count - r);
    f(r, n, visible_places(rows, r, r + n - 1, block));
  }
}

Matrix keys_of(const Rows& rows, std::size_t block) {
  const std::size_t last = rows.position[rows.count - 1] / kv_block;
  const bool more = block < last && rows.args.kv_blocks[block + 1] != nullptr;
  const auto at = [&](std::size_t b) {
    return reinterpret_cast<const std::uint16_t*>(rows.args.kv_blocks[b] + rows.kv_offset);
  };
  return {at(block), kv_block, at(more ? block + 1 : block)};
}
Matrix values_of(const Rows& rows, std::size_t block) {
  const std::size_t head_dim = rows.args.head_dim;
  const Matrix keys = keys_of(rows, block);
  return {keys.data + head_dim * kv_block, head_dim, keys.ahead + head_dim * kv_block};
}

/// Unscaled scores of a block, for each row those of the vectors up to the last place that its tile sees.
void multiply_keys(const Rows& rows, std::size_t block, float* scores, std::size_t stride) {
  const Matrix keys = keys_of(rows, block);
  for_each_tile(rows, block, [&](std::size_t r, std::size_t n, Range places) {
    const std::size_t vectors = (places.end + 15) / 16;
    multiply({rows.q + r, {0, rows.args.head_dim}, keys, vectors, scores + r * stride, stride}, n);
  });
}

/// One row of scores, or what becomes of them. What handles it must be inlined, or it would travel through memory.
struct BlockRow {
  F32x16 v[kv_block / 16];
};

template <class Function>
inline void for_each_vector(Function f) {
#pragma GCC unroll 4
  for (int j = 0; j < static_cast<int>(kv_block / 16); ++j) f(j);
}

inline BlockRow load_row(const float* x) {
  BlockRow row;
  for_each_vector([&](int j) { row.v[j] = load(x + 16 * j); });
  return row;
}
inline void store_row(float* x, const BlockRow& row) {
  for_each_vector([&](int j) { store(x + 16 * j, row.v[j]); });
}

/// Multiplies by the scale, softcaps, and masks what the row does not see, which may be anything.
[[gnu::always_inline]] inline BlockRow finish(const Rows& rows, std::size_t row, std::size_t block,
                                              const float* products) {
  const F32x16 scale = broadcast(rows.args.scale);
  BlockRow scores;
  for_each_vector([&](int j) { scores.v[j] = load(products + 16 * j) * scale; });
  if (rows.args.softcap != 0.0F) {
    for_each_vector([&](int j) { scores.v[j] = softcapped(scores.v[j], broadcast(rows.args.softcap)); });
  }
  const Range visible = visible_places(rows, row, row, block);
  if (visible.begin == 0 && visible.end == kv_block) return scores;
  const int begin = static_cast<int>(visible.begin), end = static_cast<int>(visible.end);
  for_each_vector([&](int j) { scores.v[j] = keep_range(scores.v[j], begin - 16 * j, end - 16 * j); });
  return scores;
}

[[gnu::always_inline]] inline float largest_of(const BlockRow& x) {
  F32x16 largest = broadcast(minus_infinity);
  for_each_vector([&](int j) { largest = larger(x.v[j], largest); });
  return largest_lane(largest);
}

/// x becomes exp(x - m); returns the sum.
[[gnu::always_inline]] inline float exponentials(BlockRow& x, float m) {
  const F32x16 origin = broadcast(origin_of(m));
  for_each_vector([&](int j) { x.v[j] = exp(x.v[j] - origin); });
  F32x16 sum = broadcast(0.0F);
  for_each_vector([&](int j) { sum = sum + x.v[j]; });
  return sum_lanes(sum);
}

/// The weighted values of some blocks, for every row: a[row][d] = sum of exp(score - m) v[d].
struct alignas(64) Node {
  float m[max_rows], l[max_rows];
  float a[max_node_floats];
};

/// Two passes, so that no row waits for the maximum of its own.
void softmax_rows(const Rows& rows, std::size_t block, float (*scores)[kv_block], Node& node) {
  for (std::size_t r = 0; r < rows.count; ++r) {
    const BlockRow row = finish(rows, r, block, scores[r]);
    node.m[r] = largest_of(row);
    store_row(scores[r], row);
  }
  for (std::size_t r = 0; r < rows.count; ++r) {
    BlockRow row = load_row(scores[r]);
    node.l[r] = exponentials(row, node.m[r]);
    store_row(scores[r], row);
  }
}

/// A place that only other rows of the tile see adds 0 times a finite value, which leaves a sum as it is.
void weigh_values(const Rows& rows, std::size_t block, const float* probabilities, std::size_t stride, Node& node) {
  const std::size_t head_dim = rows.args.head_dim;
  const Matrix values = values_of(rows, block);
  for_each_tile(rows, block, [&](std::size_t r, std::size_t n, Range places) {
    const float* a[tile_rows];
    for (std::size_t i = 0; i < n; ++i) a[i] = probabilities + (r + i) * stride;
    const std::size_t first = places.begin * head_dim;
    const Matrix visible{values.data + first, head_dim, values.ahead + first};
    multiply({a, places, visible, head_dim / 16, node.a + r * head_dim, head_dim}, n);
  });
}

void merge_row(float* earlier, float scale_earlier, const float* later, float scale_later, std::size_t n) {
  const F32x16 s1 = broadcast(scale_earlier), s2 = broadcast(scale_later);
  for (std::size_t d = 0; d < n; d += 16) store(earlier + d, fma(load(earlier + d), s1, load(later + d) * s2));
}

/// A row that a node did not see passes through unchanged.
void merge(const Rows& rows, Node& earlier, const Node& later) {
  const std::size_t head_dim = rows.args.head_dim;
  float m[max_rows], scale_earlier[max_rows], scale_later[max_rows];
  for (std::size_t r = 0; r < rows.count; r += 16) {
    const F32x16 m1 = load(earlier.m + r), m2 = load(later.m + r), both = larger(m1, m2);
    store(m + r, both);
    store(scale_earlier + r, exp(m1 - both));
    store(scale_later + r, exp(m2 - both));
  }
  for (std::size_t r = 0; r < rows.count; ++r) {
    float* a = earlier.a + r * head_dim;
    const float* later_a = later.a + r * head_dim;
    if (later.l[r] == 0.0F) continue;
    if (earlier.l[r] == 0.0F) {
      earlier.m[r] = later.m[r];
      earlier.l[r] = later.l[r];
      for (std::size_t d = 0; d < head_dim; d += 16) store(a + d, load(later_a + d));
      continue;
    }
    earlier.m[r] = m[r];
    earlier.l[r] = __builtin_fmaf(earlier.l[r], scale_earlier[r], later.l[r] * scale_later[r]);
    merge_row(a, scale_earlier[r], later_a, scale_later[r], head_dim);
  }
}

/// The tree over blocks [first, first + count), count a power of two, without those outside `blocks`.
template <class Leaf>
void block_tree(const Rows& rows, const Leaf& leaf, std::size_t first, std::size_t count, Range blocks, Node& node) {
  if (count == 1) return leaf(first, node);
  const std::size_t half = count / 2, middle = first + half;
  if (middle >= blocks.end) return block_tree(rows, leaf, first, half, blocks, node);
  if (middle <= blocks.begin) return block_tree(rows, leaf, middle, half, blocks, node);
  block_tree(rows, leaf, first, half, blocks, node);
  Node later;
  block_tree(rows, leaf, middle, half, blocks, later);
  merge(rows, node, later);
}

/// For every row a score more, whose value is nothing.
void join_sinks(const Rows& rows, Node& root) {
  const std::size_t head_dim = rows.args.head_dim;
  float scale[max_rows];
  for (std::size_t r = 0; r < rows.count; r += 16) {
    const F32x16 m = load(root.m + r), sink = load(rows.sink + r), both = larger(m, sink), by = exp(m - both);
    store(scale + r, by);
    store(root.l + r, fma(load(root.l + r), by, exp(sink - both)));
  }
  for (std::size_t r = 0; r < rows.count; ++r) {
    float* const a = root.a + r * head_dim;
    for (std::size_t d = 0; d < head_dim; d += 16) store(a + d, load(a + d) * broadcast(scale[r]));
  }
}

/// Over blocks, or over stretches of so many.
template <class Leaf>
void attend(const Rows& rows, std::size_t stretch, const Leaf& leaf) {
  const std::size_t positions = stretch * kv_block;
  const Range blocks{first_visible(rows, 0) / positions, rows.position[rows.count - 1] / positions + 1};
  std::size_t count = 1;
  while (count < blocks.end) count *= 2;
  Node root;
  block_tree(rows, leaf, 0, count, blocks, root);
  if (rows.args.sinks != nullptr) join_sinks(rows, root);
  const std::size_t head_dim = rows.args.head_dim;
  for (std::size_t r = 0; r < rows.count; ++r) {
    const F32x16 l = broadcast(root.l[r]);
    for (std::size_t d = 0; d < head_dim; d += 16) store(rows.out[r] + d, load(root.a + r * head_dim + d) / l);
  }
}

void attend_block(const Rows& rows, std::size_t block, Node& node) {
  alignas(64) float scores[max_rows][kv_block];
  multiply_keys(rows, block, scores[0], kv_block);
  softmax_rows(rows, block, scores, node);
  weigh_values(rows, block, scores[0], kv_block, node);
}

void attend_rows(const Rows& rows) {
  attend(rows, 1, [&](std::size_t block, Node& node) { attend_block(rows, block, node); });
}

/// Of a row's node, where it has one of this stretch: the row's first is `first` of its part's.
struct RowNode {
  float *a, *m, *l;
};
RowNode row_node(const Rows& rows, const DealtNodes& dealt, std::size_t row, std::size_t stretch, std::size_t first) {
  const std::size_t heads = rows.args.heads, head_dim = rows.args.head_dim;
  const std::size_t head = static_cast<std::size_t>(rows.q[row] - rows.args.q) % rows.args.q_stride / head_dim;
  const std::size_t before = stretch - first_visible(rows, row) / (dealt.stretch * kv_block);
  float* const node = dealt.nodes + (first + before / dealt.parts) * heads * (head_dim + 2);
  return {node + head * head_dim, node + heads * head_dim + head, node + heads * (head_dim + 1) + head};
}

void store_node(const Rows& rows, const DealtNodes& dealt, std::size_t stretch, const Node& node) {
  const std::size_t head_dim = rows.args.head_dim, begin = stretch * dealt.stretch * kv_block;
  for (std::size_t r = 0; r < rows.count; ++r) {
    const bool seen = first_visible(rows, r) < begin + dealt.stretch * kv_block && begin <= rows.position[r];
    if (!seen) continue;
    const std::uint32_t first = dealt.first[rows.position[r] - rows.args.first_position];
    const RowNode mine = row_node(rows, dealt, r, stretch, first);
    for (std::size_t d = 0; d < head_dim; d += 16) store(mine.a + d, load(node.a + r * head_dim + d));
    *mine.m = node.m[r];
    *mine.l = node.l[r];
  }
}

void load_node(const Rows& rows, const DealtNodes& dealt, std::size_t stretch, Node& node) {
  const std::size_t head_dim = rows.args.head_dim;
  for (std::size_t r = 0; r < rows.count; ++r) {
    const RowNode mine = row_node(rows, dealt, r, stretch, dealt.first[stretch % dealt.parts]);
    for (std::size_t d = 0; d < head_dim; d += 16) store(node.a + r * head_dim + d, load(mine.a + d));
    node.m[r] = *mine.m;
    node.l[r] = *mine.l;
  }
}

void attend_stretches(const Rows& rows, const DealtNodes& dealt, std::size_t part) {
  const Range blocks{first_visible(rows, 0) / kv_block, rows.position[rows.count - 1] / kv_block + 1};
  std::size_t s = blocks.begin / dealt.stretch;
  for (s += (part + dealt.parts - s % dealt.parts) % dealt.parts; s * dealt.stretch < blocks.end; s += dealt.parts) {
    const std::size_t first = s * dealt.stretch, last = first + dealt.stretch;
    const Range seen{blocks.begin < first ? first : blocks.begin, blocks.end < last ? blocks.end : last};
    Node node;
    block_tree(rows, [&](std::size_t b, Node& leaf) { attend_block(rows, b, leaf); }, first, dealt.stretch, seen, node);
    store_node(rows, dealt, s, node);
  }
}

/// Heads from `head` on, before `end`, that read the same KV head.
std::size_t sharing_heads(const AttentionArgs& args, std::size_t head, std::size_t end) {
  std::size_t n = 1;
  while (head + n < end && args.kv_head[head + n] == args.kv_head[head]) ++n;
  return n;
}

/// Calls f with the rows of tokens [first, end) by heads [first_head, end_head), in pieces.
template <class Function>
void for_each_rows(const AttentionArgs& args, Range tokens, Range heads, Function f) {
  const std::size_t by_size = max_node_floats / args.head_dim;
  const std::size_t most = by_size < max_rows ? by_size : max_rows;
  for (std::size_t head = heads.begin, n = 0; head < heads.end; head += n) {
    n = sharing_heads(args, head, heads.end);
    const std::size_t all = (tokens.end - tokens.begin) * n;
    for (std::size_t r = 0; r < all; r += most) {
      f(make_rows(args, tokens.begin, head, n, r, all - r < most ? all - r : most), head + r % n);
    }
  }
}

/// Calls f with the rows of work items [first_item, last_item), in pieces.
template <class Function>
void for_each_item(const AttentionArgs& args, std::size_t first_item, std::size_t last_item, Function f) {
  for (std::size_t item = first_item; item < last_item;) {
    const std::size_t tile = item / args.heads;
    const std::size_t tile_end = (tile + 1) * args.heads;
    const std::size_t end = tile_end < last_item ? tile_end : last_item;
    const std::size_t token = tile * attention_tile;
    const std::size_t token_end = token + attention_tile < args.tokens ? token + attention_tile : args.tokens;
    for_each_rows(args, {token, token_end}, {item - tile * args.heads, end - tile * args.heads},
                  [&](const Rows& rows, std::size_t) { f(rows); });
    item = end;
  }
}

}  // namespace

void attention(const AttentionArgs& args, std::size_t first_item, std::size_t last_item) {
  for_each_item(args, first_item, last_item, attend_rows);
}

void attention_nodes(const AttentionArgs& args, const DealtNodes& dealt, std::size_t part, std::size_t first_item,
                     std::size_t last_item) {
  for_each_item(args, first_item, last_item, [&](const Rows& rows) { attend_stretches(rows, dealt, part); });
}

void attention_merge(const AttentionArgs& args, const DealtNodes& dealt, std::size_t token) {
  for_each_rows(args, {token, token + 1}, {0, args.heads}, [&](const Rows& rows, std::size_t) {
    attend(rows, dealt.stretch, [&](std::size_t stretch, Node& node) { load_node(rows, dealt, stretch, node); });
  });
}

void attention_scores(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride) {
  for_each_rows(args, {token, token + 1}, {0, args.heads}, [&](const Rows& rows, std::size_t head) {
    const std::size_t last = rows.position[0] / kv_block;
    for (std::size_t r = 0; r < rows.count; ++r) {
      float* row = scores + (head + r) * score_stride;
      for (std::size_t i = 0; i < (last + 1) * kv_block; i += 16) store(row + i, broadcast(minus_infinity));
    }
    for (std::size_t block = first_visible(rows, 0) / kv_block; block <= last; ++block) {
      float* part = scores + head * score_stride + block * kv_block;
      multiply_keys(rows, block, part, score_stride);
      for (std::size_t r = 0; r < rows.count; ++r, part += score_stride) store_row(part, finish(rows, r, block, part));
    }
  });
}

void attention_softmax(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride,
                       float* maxima, float* sums, std::size_t stat_stride) {
  const std::size_t blocks = (args.first_position + token) / kv_block + 1;
  for (std::size_t head = 0; head < args.heads; ++head) {
    for (std::size_t b = 0; b < blocks; ++b) {
      float* x = scores + head * score_stride + b * kv_block;
      BlockRow row = load_row(x);
      const float m = largest_of(row);
      maxima[head * stat_stride + b] = m;
      sums[head * stat_stride + b] = exponentials(row, m);
      store_row(x, row);
    }
  }
}

void attention_values(const AttentionArgs& args, std::size_t token, const float* scores, std::size_t score_stride,
                      const float* maxima, const float* sums, std::size_t stat_stride) {
  for_each_rows(args, {token, token + 1}, {0, args.heads}, [&](const Rows& rows, std::size_t head) {
    attend(rows, 1, [&](std::size_t block, Node& node) {
      for (std::size_t r = 0; r < rows.count; ++r) {
        node.m[r] = maxima[(head + r) * stat_stride + block];
        node.l[r] = sums[(head + r) * stat_stride + block];
      }
      weigh_values(rows, block, scores + head * score_stride + block * kv_block, score_stride, node);
    });
  });
}
