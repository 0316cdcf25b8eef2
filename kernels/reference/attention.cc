#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/math.hpp"
#include "kernels/reference/kernels.hpp"
#include "kernels/reference/softmax.hpp"

namespace troupe::kernels::reference {
namespace {

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

// One head of one query. The caches are read at visible positions only: other places may hold anything.
struct Query {
  const AttentionArgs& args;
  std::size_t head, token;

  [[nodiscard]] std::size_t position() const { return args.first_position + token; }
  [[nodiscard]] std::size_t blocks() const { return position() / kv_block + 1; }
  [[nodiscard]] std::size_t first_visible() const {
    return args.window == 0 || position() < args.window ? 0 : position() - args.window + 1;
  }
  [[nodiscard]] bool sees(std::size_t p) const { return p <= position() && p >= first_visible(); }
  [[nodiscard]] const std::uint16_t* keys(std::size_t block) const {
    return reinterpret_cast<const std::uint16_t*>(args.kv_blocks[block] + args.kv_offset +
                                                  args.kv_head[head] * kv_head_bytes(args.head_dim));
  }
  [[nodiscard]] const std::uint16_t* values(std::size_t block) const { return keys(block) + args.head_dim * kv_block; }
};

// The weighted values of some blocks: a[d] = sum of exp(score - m) v[d].
struct Node {
  Softmax stats;
  float a[max_head_dim];
};

float score(const Query& query, std::size_t block, std::size_t place) {
  const AttentionArgs& args = query.args;
  const float* q = args.q + query.token * args.q_stride + query.head * args.head_dim;
  const std::uint16_t* keys = query.keys(block);
  float sum = 0.0F;
  for (std::size_t d = 0; d < args.head_dim; ++d) sum = std::fma(q[d], f16_to_f32(keys[d * kv_block + place]), sum);
  float score = sum * args.scale;
  if (args.softcap != 0.0F) softcap(args.softcap, 1, &score);
  return score;
}

void score_block(const Query& query, std::size_t block, float* scores) {
  for (std::size_t i = 0; i < kv_block; ++i) {
    scores[i] = query.sees(block * kv_block + i) ? score(query, block, i) : minus_infinity;
  }
}

Node weigh_block(const Query& query, std::size_t block, const Softmax& stats, const float* probabilities) {
  Node node{stats, {}};
  if (stats.empty()) return node;
  const std::uint16_t* values = query.values(block);
  for (std::size_t i = 0; i < kv_block; ++i) {
    if (!query.sees(block * kv_block + i)) continue;
    for (std::size_t d = 0; d < query.args.head_dim; ++d) {
      node.a[d] = std::fma(probabilities[i], f16_to_f32(values[i * query.args.head_dim + d]), node.a[d]);
    }
  }
  return node;
}

Node merge(const Node& earlier, const Node& later) {
  if (later.stats.empty()) return earlier;
  if (earlier.stats.empty()) return later;
  const Rescale by = rescale(earlier.stats, later.stats);
  Node node{merge(earlier.stats, later.stats), {}};
  for (std::size_t d = 0; d < max_head_dim; ++d) {
    node.a[d] = std::fma(earlier.a[d], by.earlier, later.a[d] * by.later);
  }
  return node;
}

// The tree over blocks [first, first + count), count a power of two, cut off at the query's last block. A binary
// counter that merges siblings as blocks complete, and what remains from the latest to the earliest, does the same.
template <class Leaf>
Node block_tree(const Leaf& leaf, std::size_t first, std::size_t count, std::size_t blocks) {
  if (count == 1) return leaf(first);
  const std::size_t half = count / 2;
  if (first + half >= blocks) return block_tree(leaf, first, half, blocks);
  return merge(block_tree(leaf, first, half, blocks), block_tree(leaf, first + half, half, blocks));
}

// A score more, whose value is nothing.
void join_sink(float sink, Node& root) {
  const Rescale by = rescale(root.stats, {sink, 1.0F});
  root.stats = {by.m, std::fma(root.stats.l, by.earlier, by.later)};
  for (float& a : root.a) a *= by.earlier;
}

template <class Leaf>
void attend(const Query& query, std::size_t blocks, const Leaf& leaf) {
  std::size_t count = 1;
  while (count < blocks) count *= 2;
  Node root = block_tree(leaf, 0, count, blocks);
  if (query.args.sinks != nullptr) join_sink(query.args.sinks[query.head], root);
  float* out = query.args.out + query.token * query.args.out_stride + query.head * query.args.head_dim;
  for (std::size_t d = 0; d < query.args.head_dim; ++d) out[d] = root.a[d] / root.stats.l;
}

Node attend_block(const Query& query, std::size_t block) {
  float scores[kv_block];
  score_block(query, block, scores);
  const Softmax stats = softmax(scores, kv_block);
  return weigh_block(query, block, stats, scores);
}

template <class Visit>
void for_each_query(const AttentionArgs& args, std::size_t first_item, std::size_t last_item, const Visit& visit) {
  for (std::size_t item = first_item; item < last_item; ++item) {
    const std::size_t first = item / args.heads * attention_tile;
    for (std::size_t token = first; token < first + attention_tile && token < args.tokens; ++token) {
      visit(Query{args, item % args.heads, token});
    }
  }
}

// Of a query's node of a stretch, where the query's first of that part is `first`.
struct NodePlaces {
  float *a, *m, *l;
};
NodePlaces places_of(const Query& query, const DealtNodes& dealt, std::size_t stretch, std::size_t first) {
  const std::size_t heads = query.args.heads, head_dim = query.args.head_dim;
  const std::size_t before = stretch - query.first_visible() / (dealt.stretch * kv_block);
  float* const node = dealt.nodes + (first + before / dealt.parts) * heads * (head_dim + 2);
  return {node + query.head * head_dim, node + heads * head_dim + query.head,
          node + heads * (head_dim + 1) + query.head};
}

}  // namespace

void attention(const AttentionArgs& args, std::size_t first_item, std::size_t last_item) {
  for_each_query(args, first_item, last_item, [](const Query& query) {
    attend(query, query.blocks(), [&](std::size_t block) { return attend_block(query, block); });
  });
}

void attention_nodes(const AttentionArgs& args, const DealtNodes& dealt, std::size_t part, std::size_t first_item,
                     std::size_t last_item) {
  const std::size_t positions = dealt.stretch * kv_block;
  for_each_query(args, first_item, last_item, [&](const Query& query) {
    for (std::size_t s = query.first_visible() / positions; s * positions <= query.position(); ++s) {
      if (s % dealt.parts != part) continue;
      const Node node = block_tree([&](std::size_t block) { return attend_block(query, block); }, s * dealt.stretch,
                                   dealt.stretch, query.blocks());
      const NodePlaces to = places_of(query, dealt, s, dealt.first[query.token]);
      std::copy_n(node.a, args.head_dim, to.a);
      *to.m = node.stats.m;
      *to.l = node.stats.l;
    }
  });
}

void attention_merge(const AttentionArgs& args, const DealtNodes& dealt, std::size_t token) {
  const std::size_t positions = dealt.stretch * kv_block;
  for (std::size_t head = 0; head < args.heads; ++head) {
    const Query query{args, head, token};
    attend(query, query.position() / positions + 1, [&](std::size_t s) {
      if (s < query.first_visible() / positions) return Node{{minus_infinity, 0.0F}, {}};
      const NodePlaces from = places_of(query, dealt, s, dealt.first[s % dealt.parts]);
      Node node{{*from.m, *from.l}, {}};
      std::copy_n(from.a, args.head_dim, node.a);
      return node;
    });
  }
}

void attention_scores(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride) {
  for (std::size_t head = 0; head < args.heads; ++head) {
    const Query query{args, head, token};
    for (std::size_t b = 0; b < query.blocks(); ++b) score_block(query, b, scores + head * score_stride + b * kv_block);
  }
}

void attention_softmax(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride,
                       float* maxima, float* sums, std::size_t stat_stride) {
  for (std::size_t head = 0; head < args.heads; ++head) {
    for (std::size_t b = 0; b < Query{args, head, token}.blocks(); ++b) {
      const Softmax stats = softmax(scores + head * score_stride + b * kv_block, kv_block);
      maxima[head * stat_stride + b] = stats.m;
      sums[head * stat_stride + b] = stats.l;
    }
  }
}

void attention_values(const AttentionArgs& args, std::size_t token, const float* scores, std::size_t score_stride,
                      const float* maxima, const float* sums, std::size_t stat_stride) {
  for (std::size_t head = 0; head < args.heads; ++head) {
    const Query query{args, head, token};
    attend(query, query.blocks(), [&](std::size_t block) {
      const Softmax stats{maxima[head * stat_stride + block], sums[head * stat_stride + block]};
      return weigh_block(query, block, stats, scores + head * score_stride + block * kv_block);
    });
  }
}

}  // namespace troupe::kernels::reference
