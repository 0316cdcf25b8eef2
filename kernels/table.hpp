#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernels/activation.hpp"
#include "kernels/kv_layout.hpp"
#include "kernels/packed.hpp"
#include "kernels/rope_style.hpp"

namespace troupe::kernels {

/// One product: out[t][r] = sum over columns of weights[r][c] * in[t][c].
struct MatmulArgs {
  const PackedMatrix* weights;
  const void* in;         ///< [tokens][in_stride] of Q8Block, or of float for weights of floating point
  std::size_t in_stride;  ///< in elements; those of columns() columns are used
  std::size_t tokens;
  void* out;               ///< [tokens][out_stride] of float, or of int64 (matmul_partial)
  std::size_t out_stride;  ///< in elements; element r of a row belongs to weight row r
  std::uint8_t* overflow;  ///< [tokens], 1 in place of 0 where a leaf is not within +-fixed_limit; null for matmul
};

/// Attention of consecutive positions of one sequence over its paged KV cache.
///
/// Work items are (tile, head): item i is head i % heads of the queries in tile i / heads, attention_tile positions
/// each. Any partition of the items among threads gives the same bits.
struct AttentionArgs {
  const float* q;  ///< [tokens][q_stride], head h at h * head_dim; rotated, not scaled
  std::size_t q_stride;
  float* out;  ///< [tokens][out_stride], head h at h * head_dim
  std::size_t out_stride;
  std::size_t tokens;
  std::size_t first_position;  ///< of the first query; K and V up to the last query's are in the cache, and finite
  const std::byte* const* kv_blocks;  ///< for each block of 64 positions from position 0: its KV heads of every layer
  const std::uint16_t* kv_head;       ///< [heads]: which KV head, in units of kv_head_bytes, head h reads
  std::size_t heads;
  std::size_t head_dim;          ///< a multiple of 16, at most max_head_dim
  float scale;                   ///< multiplies q.k
  std::size_t window;            ///< a query at p sees positions > p - window; 0: all
  std::size_t kv_offset = 0;     ///< bytes from the start of a block to this layer's first KV head
  float softcap = 0.0F;          ///< scores are softcapped to it (see KernelTable::softcap); 0: they are not
  const float* sinks = nullptr;  ///< [heads]: a score each that has no value (see KernelTable::attention); null: none
};

inline constexpr std::size_t attention_tile = 8;

/// A cache whose positions are dealt out: stretches of `stretch` blocks, a power of two, to `parts` in turn. What a query
/// finds in a stretch is a node of attention's tree: [heads][head_dim] weighted values, [heads] maxima, [heads] sums.
/// Nodes of one query and part, of the stretches that it sees, stand one behind another.
struct DealtNodes {
  std::size_t stretch, parts;
  float* nodes;                ///< [nodes][heads * (head_dim + 2)]
  const std::uint32_t* first;  ///< the first node of each query; or, of one query, of each part
};

/// Elements of one segment of log_sum_exp.
inline constexpr std::size_t softmax_segment = 1024;

/// Every kernel the CPU programs call, for one instruction set. All tables give the same bits.
/// Rows are float vectors of n elements unless said otherwise; out may equal the input.
struct KernelTable {
  std::string_view name;  ///< "reference"; "avx2", "avx512"; "neon", "dotprod", "i8mm"
  bool (*runs_here)();    ///< whether this processor can run it

  /// out = x / sqrt(mean(x^2) + eps) * weight. Sum of squares in 16 lanes (lane i takes elements i, i+16, ...),
  /// fma in order, then a tree: lane i + lane i+8, +4, +2, +1. Where mean(x^2) is no finite number, all of out is one
  /// NaN: a row beyond what can be normed must not become zeros.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::size_t n, float* out);

  /// The same in two steps, for sums that ranks share: the sum of squares, and out = (x * factor) * weight.
  float (*sum_of_squares)(const float* x, std::size_t n);
  void (*weigh)(const float* x, float factor, const float* weight, std::size_t n, float* out);

  /// out = (x - mean) / sqrt(mean((x - mean)^2) + eps) * weight (Ba et al. 2016, without its bias). Both sums as
  /// rms_norm's; where the second is no finite number, all of out is one NaN.
  void (*layer_norm)(const float* x, const float* weight, float eps, std::size_t n, float* out);

  /// n a multiple of 32; out has n / 32 blocks. Round to nearest even.
  void (*quantize)(const float* x, std::size_t n, Q8Block* out);

  /// Weights with one leaf, float results. Each element: over blocks of 32 columns in order, s = w_scale * x_scale,
  /// acc = fma(float(exact integer sum), s, acc), then, with a minimum, acc = fma(w_min, scaled_sum, acc). Formats that
  /// scale each half of a block do so for its first 16 columns, then for the others, with scale * float(sum of the
  /// half's q) for scaled_sum. Weights of floating point: over columns in order, acc = fma(w, x, acc).
  void (*matmul)(const MatmulArgs& args, std::size_t first_group, std::size_t last_group);

  /// Weights cut into leaves: each leaf is summed as in matmul, rounded once to fixed point (to nearest even, 32 bits
  /// after the point), and the leaves are added as integers. Results int64: a rank's partial sums.
  void (*matmul_partial)(const MatmulArgs& args, std::size_t first_group, std::size_t last_group);

  /// The same, then from_fixed: for a rank that holds every leaf.
  void (*matmul_leaves)(const MatmulArgs& args, std::size_t first_group, std::size_t last_group);

  /// x[i] = float(fixed[i]) * 2^-32, rounded once.
  void (*from_fixed)(const std::int64_t* fixed, std::size_t n, float* out);

  /// x[i] += y[i].
  void (*add)(const float* y, std::size_t n, float* x);

  /// x[i] *= factor.
  void (*scale)(float factor, std::size_t n, float* x);

  /// x[i] = cap * tanh(x[i] / cap).
  void (*softcap)(float cap, std::size_t n, float* x);

  /// out = gelu(x), the tanh form: x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))).
  void (*gelu)(const float* x, std::size_t n, float* out);

  /// out = silu(gate) * up, silu(x) = x / (1 + exp(-x)).
  void (*silu_mul)(const float* gate, const float* up, std::size_t n, float* out);

  /// out = gelu(gate) * up, the tanh form: x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))).
  void (*gelu_mul)(const float* gate, const float* up, std::size_t n, float* out);

  /// out = g / (1 + exp(-1.702 g)) * (u + 1), g = min(gate, 7), u = max(-7, min(up, 7)) (gpt-oss model card, 2025). A
  /// NaN stays one.
  void (*swiglu_oai)(const float* gate, const float* up, std::size_t n, float* out);

  /// Rotates the first `dims` (even) dimensions of `heads` consecutive heads of one token in place. cos_sin: [dims/2]
  /// cosines, then as many sines.
  void (*rope)(float* x, std::size_t heads, std::size_t head_dim, std::size_t dims, const float* cos_sin,
               RopeStyle style);

  /// Rounds one head's k and v, [head_dim] each, to F16 (nearest even, saturating), as the `place`th (0..63) of a KV
  /// head.
  void (*kv_append)(const float* k, const float* v, std::size_t head_dim, std::size_t place, std::byte* kv_head);

  /// Per numerics block of kv_block positions: score = (sum over d in order of fma(q, k)) * scale [softcapped], m =
  /// max, p = exp(score - m), l = sum of p (16 lanes, then the tree of rms_norm), a = sum over positions in order of
  /// fma(p, v). Blocks are merged by a binary tree over absolute block numbers; a block with no visible position is
  /// skipped. out = a / l. A sink s joins once, behind the last merge (Xiao et al. 2023): with M = max(m, s), out =
  /// (a * exp(m - M)) / fma(l, exp(m - M), exp(s - M)); where s is minus infinity these are the bits of none.
  void (*attention)(const AttentionArgs& args, std::size_t first_item, std::size_t last_item);

  /// The same in two steps, where no one has all of the cache. The first, of work items as there: each query's nodes of
  /// the stretches that are `part`'s; other blocks may be null. dealt.first: [tokens]. The second, of one query token:
  /// out, from the nodes of all parts. dealt.first: [parts]. Args as for `attention`.
  void (*attention_nodes)(const AttentionArgs& args, const DealtNodes& dealt, std::size_t part, std::size_t first_item,
                          std::size_t last_item);
  void (*attention_merge)(const AttentionArgs& args, const DealtNodes& dealt, std::size_t token);

  /// The three plain ops that `attention` fuses, for one query token. scores: [heads][score_stride], one per position
  /// from 0, in whole blocks of kv_block: minus infinity where the query does not see.
  void (*attention_scores)(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride);
  /// In place, per block: scores become exp(score - m); maxima and sums: [heads][stat_stride], one per block (minus
  /// infinity and 0 where it is skipped).
  void (*attention_softmax)(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride,
                            float* maxima, float* sums, std::size_t stat_stride);
  void (*attention_values)(const AttentionArgs& args, std::size_t token, const float* scores, std::size_t score_stride,
                           const float* maxima, const float* sums, std::size_t stat_stride);

  /// Index of the largest element; the lowest of equals. n > 0.
  std::size_t (*argmax)(const float* x, std::size_t n);

  /// log(sum(exp(x))) over fixed segments of 1024 elements, each (max, sum) as one block of attention, merged by the
  /// same tree.
  float (*log_sum_exp)(const float* x, std::size_t n);

  /// out = exp(x).
  void (*exponentials)(const float* x, std::size_t n, float* out);
};

/// The kernels by name; prototypes.inl and fill_table.inl make an instruction set of them.
#define TROUPE_KERNELS(KERNEL) \
  KERNEL(rms_norm)             \
  KERNEL(sum_of_squares)       \
  KERNEL(weigh)                \
  KERNEL(layer_norm)           \
  KERNEL(quantize)             \
  KERNEL(matmul)               \
  KERNEL(matmul_partial)       \
  KERNEL(matmul_leaves)        \
  KERNEL(from_fixed)           \
  KERNEL(add)                  \
  KERNEL(scale)                \
  KERNEL(softcap)              \
  KERNEL(gelu)                 \
  KERNEL(silu_mul)             \
  KERNEL(gelu_mul)             \
  KERNEL(swiglu_oai)           \
  KERNEL(rope)                 \
  KERNEL(kv_append)            \
  KERNEL(attention)            \
  KERNEL(attention_nodes)      \
  KERNEL(attention_merge)      \
  KERNEL(attention_scores)     \
  KERNEL(attention_softmax)    \
  KERNEL(attention_values)     \
  KERNEL(argmax)               \
  KERNEL(log_sum_exp)          \
  KERNEL(exponentials)

/// The tables this processor can run, slowest first; the first is always "reference".
/// On x86 without AVX2, FMA and F16C there is no other.
[[nodiscard]] std::span<const KernelTable* const> tables();

/// The last of tables(), or the named one; null if it is unknown or this processor cannot run it.
[[nodiscard]] const KernelTable* find_table(std::string_view name = {});

}  // namespace troupe::kernels
