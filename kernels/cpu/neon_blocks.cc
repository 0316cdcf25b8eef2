#include <utility>

#include "kernels/cpu/neon_tile.hpp"

/// Integer products by widening multiplies.
namespace troupe::kernels::neon {

#include "kernels/cpu/block_sums.inl"
#include "kernels/cpu/neon_scales.inl"
#include "kernels/cpu/neon_weights.inl"

constexpr int offset_of(const Packing& packing) { return offset_to_signed(packing); }
constexpr int quarters_at_once(int tokens) { return tokens == 1 ? quarters : 1; }

/// Each four of a block in every lane of 32 bits.
template <int tokens>
struct Activations {
  int8x16_t at[tokens][8];
};

template <int tokens>
[[gnu::always_inline]] inline Activations<tokens> load_activations(const Q8Block* in, std::size_t in_stride) {
  Activations<tokens> all;
#pragma GCC unroll 2
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 8
    for (int four = 0; four < 8; ++four) {
      std::int32_t bits;
      __builtin_memcpy(&bits, in[t * in_stride].q + four * 4, sizeof bits);
      all.at[t][four] = vreinterpretq_s8_s32(vdupq_n_s32(bits));
    }
  }
  return all;
}

/// How many products of a weight and an activation of +-127 fit a sum of 16 bits.
constexpr int products_that_fit(const Packing& packing) {
  int largest = 1;
  for (int stored = 0; stored < 1 << (packing.planes.low + packing.planes.high); ++stored) {
    const int weight = weight_of(packing, static_cast<std::uint8_t>(stored)) + offset_of(packing);
    largest = std::max(largest, weight < 0 ? -weight : weight);
  }
  return 32767 / (127 * largest);
}

/// Sums of columns c, c + 4, ... for each row and c, of rows 0 and 1 of a quarter and of rows 2 and 3.
struct ColumnSums {
  int16x8_t low, high;
};

[[gnu::always_inline]] inline void add(int8x16_t weights, int8x16_t four, bool begins, ColumnSums& sums) {
  const int8x8_t low = vget_low_s8(weights), low_four = vget_low_s8(four);
  sums.low = begins ? vmull_s8(low, low_four) : vmlal_s8(sums.low, low, low_four);
  sums.high = begins ? vmull_high_s8(weights, four) : vmlal_high_s8(sums.high, weights, four);
}

/// Sums of pairs of columns, likewise.
struct PairSums {
  int32x4_t low, high;
};

template <int tokens, int n>
struct Sums {
  ColumnSums columns[tokens][n];
  PairSums pairs[tokens][n];
};

/// One four, after which the sums of 16 bits are widened where no more would fit, or where it is the last.
template <Format format, int first, int fours, int four, int n, int tokens>
[[gnu::always_inline]] inline void add_four(const std::byte*& weights, const Activations<tokens>& activations,
                                            Sums<tokens, n>& sums) {
  constexpr Packing packing = packing_of(format);
  constexpr int run = products_that_fit(packing);
  constexpr bool begins = four % run == 0, ends = four % run == run - 1 || four == fours - 1;
  const Bytes<n> row = weights_plus<format, first + four, offset_of(packing), n>(weights);
#pragma GCC unroll 4
  for (int q = 0; q < n; ++q) {
#pragma GCC unroll 2
    for (int t = 0; t < tokens; ++t) {
      ColumnSums& columns = sums.columns[t][q];
      PairSums& pairs = sums.pairs[t][q];
      add(vreinterpretq_s8_u8(row.at[q]), activations.at[t][first + four], begins, columns);
      if constexpr (!ends) continue;
      pairs.low = four < run ? vpaddlq_s16(columns.low) : vpadalq_s16(pairs.low, columns.low);
      pairs.high = four < run ? vpaddlq_s16(columns.high) : vpadalq_s16(pairs.high, columns.high);
    }
  }
}

template <Format format, int first, int n, int tokens, int... four>
[[gnu::always_inline]] inline void add_fours(std::integer_sequence<int, four...>, const std::byte*& weights,
                                             const Activations<tokens>& activations, Sums<tokens, n>& sums) {
  (add_four<format, first, sizeof...(four), four>(weights, activations, sums), ...);
}

template <Format format, int first, int fours, int n, int tokens>
[[gnu::always_inline]] inline IntegerSums<tokens, n> multiply(const std::byte*& weights,
                                                              const Activations<tokens>& activations,
                                                              const std::int32_t (&start)[tokens]) {
  Sums<tokens, n> sums;
  add_fours<format, first>(std::make_integer_sequence<int, fours>{}, weights, activations, sums);
  IntegerSums<tokens, n> all;
#pragma GCC unroll 2
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
    for (int q = 0; q < n; ++q) {
      all.at[t][q] = vpaddq_s32(sums.pairs[t][q].low, sums.pairs[t][q].high);
      if constexpr (offset_of(packing_of(format)) > 0) all.at[t][q] = vaddq_s32(all.at[t][q], vdupq_n_s32(start[t]));
    }
  }
  return all;
}

#include "kernels/cpu/neon_blocks.inl"

}  // namespace troupe::kernels::neon
