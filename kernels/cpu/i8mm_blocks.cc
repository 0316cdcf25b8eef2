#include <utility>

#include "kernels/cpu/i8mm_tile.hpp"

/// Integer products of unsigned weights: by USDOT for one token, and by USMMLA, of two rows by eight columns and two
/// tokens, for more.
namespace troupe::kernels::i8mm {

#include "kernels/cpu/block_sums.inl"
#include "kernels/cpu/neon_scales.inl"
#include "kernels/cpu/neon_weights.inl"

constexpr int offset_of(const Packing& packing) { return packing.offset; }
constexpr int quarters_at_once(int tokens) { return tokens == 1 ? quarters : 1; }

/// Of one token, as they are.
template <int tokens>
struct Activations {
  int8x16_t at[2];
};

template <int tokens>
inline constexpr int pairs_of = (tokens + 1) / 2;

/// Of pairs of tokens, in eights of columns: eight of the first, then of the second. An odd last token has itself for
/// its second.
template <int tokens>
requires(tokens > 1) struct Activations<tokens> {
  int8x16_t at[pairs_of<tokens>][4];
};

inline int8x16_t zip(int8x16_t a, int8x16_t b, int half) {
  const int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);
  return vreinterpretq_s8_s64(half == 0 ? vzip1q_s64(x, y) : vzip2q_s64(x, y));
}

template <int tokens>
[[gnu::always_inline]] inline Activations<tokens> load_activations(const Q8Block* in, std::size_t in_stride) {
  Activations<tokens> all;
  if constexpr (tokens == 1) {
    all.at[0] = vld1q_s8(in->q);
    all.at[1] = vld1q_s8(in->q + 16);
  } else {
#pragma GCC unroll 4
    for (int p = 0; p < pairs_of<tokens>; ++p) {
      const std::int8_t* const one = in[2 * p * in_stride].q;
      const std::int8_t* const other = 2 * p + 1 < tokens ? in[(2 * p + 1) * in_stride].q : one;
#pragma GCC unroll 4
      for (int eight = 0; eight < 4; ++eight) {
        all.at[p][eight] = zip(vld1q_s8(one + eight / 2 * 16), vld1q_s8(other + eight / 2 * 16), eight % 2);
      }
    }
  }
  return all;
}

template <Format format, int four, int n>
[[gnu::always_inline]] inline Bytes<n> unsigned_weights(const std::byte*& weights) {
  return weights_plus<format, four, packing_of(format).offset, n>(weights);
}

template <Format format, int four, int n>
[[gnu::always_inline]] inline void add_four(const std::byte*& weights, const Activations<1>& activations,
                                            IntegerSums<1, n>& sums) {
  const Bytes<n> row = unsigned_weights<format, four, n>(weights);
#pragma GCC unroll 4
  for (int q = 0; q < n; ++q) {
    sums.at[0][q] = vusdotq_laneq_s32(sums.at[0][q], row.at[q], activations.at[four / 4], four % 4);
  }
}

template <Format format, int first, int n, int... four>
[[gnu::always_inline]] inline void add_fours(std::integer_sequence<int, four...>, const std::byte*& weights,
                                             const Activations<1>& activations, IntegerSums<1, n>& sums) {
  (add_four<format, first + four>(weights, activations, sums), ...);
}

template <Format format, int first, int fours, int n>
[[gnu::always_inline]] inline IntegerSums<1, n> multiply(const std::byte*& weights, const Activations<1>& activations,
                                                         const std::int32_t (&start)[1]) {
  IntegerSums<1, n> sums;
#pragma GCC unroll 4
  for (int q = 0; q < n; ++q) sums.at[0][q] = vdupq_n_s32(start[0]);
  add_fours<format, first>(std::make_integer_sequence<int, fours>{}, weights, activations, sums);
  return sums;
}

/// Sums of rows 0 and 1 of a quarter, and of rows 2 and 3, by a pair of tokens.
struct PairSums {
  int32x4_t low, high;
};

template <Format format, int eight, int tokens>
[[gnu::always_inline]] inline void add_eight(const std::byte*& weights, const Activations<tokens>& activations,
                                             PairSums (&sums)[pairs_of<tokens>]) {
  const uint32x4_t even = vreinterpretq_u32_u8(unsigned_weights<format, 2 * eight, 1>(weights).at[0]);
  const uint32x4_t odd = vreinterpretq_u32_u8(unsigned_weights<format, 2 * eight + 1, 1>(weights).at[0]);
  const uint8x16_t low = vreinterpretq_u8_u32(vzip1q_u32(even, odd)),
                   high = vreinterpretq_u8_u32(vzip2q_u32(even, odd));
#pragma GCC unroll 4
  for (int p = 0; p < pairs_of<tokens>; ++p) {
    sums[p].low = vusmmlaq_s32(sums[p].low, low, activations.at[p][eight]);
    sums[p].high = vusmmlaq_s32(sums[p].high, high, activations.at[p][eight]);
  }
}

template <Format format, int first, int tokens, int... eight>
[[gnu::always_inline]] inline void add_eights(std::integer_sequence<int, eight...>, const std::byte*& weights,
                                              const Activations<tokens>& activations,
                                              PairSums (&sums)[pairs_of<tokens>]) {
  (add_eight<format, first + eight>(weights, activations, sums), ...);
}

template <Format format, int first, int fours, int n, int tokens>
[[gnu::always_inline]] inline IntegerSums<tokens, n> multiply(const std::byte*& weights,
                                                              const Activations<tokens>& activations,
                                                              const std::int32_t (&start)[tokens]) {
  static_assert(n == 1);
  PairSums pairs[pairs_of<tokens>];
#pragma GCC unroll 4
  for (int p = 0; p < pairs_of<tokens>; ++p) {
    const std::int32_t one = start[2 * p], other = 2 * p + 1 < tokens ? start[2 * p + 1] : one;
    pairs[p].low = pairs[p].high = int32x4_t{one, other, one, other};
  }
  add_eights<format, first / 2>(std::make_integer_sequence<int, fours / 2>{}, weights, activations, pairs);
  IntegerSums<tokens, 1> sums;
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
    const PairSums& both = pairs[t / 2];
    sums.at[t][0] = t % 2 == 0 ? vuzp1q_s32(both.low, both.high) : vuzp2q_s32(both.low, both.high);
  }
  return sums;
}

#include "kernels/cpu/neon_blocks.inl"

}  // namespace troupe::kernels::i8mm
