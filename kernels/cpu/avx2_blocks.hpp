#pragma once

#include <utility>

#include "kernels/cpu/avx2_scales.hpp"
#include "kernels/cpu/avx2_weights.hpp"

/// Tile kernels for every format of integers, put together from how its weights and its scales are packed.
namespace troupe::kernels::avx2 {

#include "kernels/cpu/block_sums.inl"

template <Format format, int tokens>
struct BlockTile {
  static constexpr Packing packing = packing_of(format);
  static constexpr ChunkLayout layout = layout_of(format);
  static constexpr int parts = parts_of(packing);
  static constexpr int part_fours = 8 / parts;

  /// How many fours of unsigned weights may meet activations of +-127, two to a sum of 16 bits, before they must be
  /// widened. None: such weights are taken by magnitude and sign, of which two products always fit.
  static constexpr int fours_that_fit = 32767 / (2 * 127 * largest_unsigned(packing));
  static constexpr bool is_signed = fours_that_fit == 0;
  static constexpr int run_fours = fours_that_fit >= part_fours ? part_fours
                                   : fours_that_fit >= 4        ? 4
                                   : fours_that_fit >= 2        ? 2
                                                                : 1;

  /// The asm statements: else compilers sum in another order, which needs more registers than there are.
  template <int four>
  [[gnu::always_inline]] static inline void add_four(const std::byte* weights, const Q8Block* in, std::size_t in_stride,
                                                     IntegerSums<tokens>& pair_sums) {
    __m256i weight[halves];
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h) weight[h] = weights_plus<format, four, packing.offset>(weights + h * 32);
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) {
      const __m256i four_in = broadcast4(in[t * in_stride].q + four * 4);
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        __m256i& sum = pair_sums.at[t][h];
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(weight[h], four_in));
        asm("" : "+x"(sum));
      }
    }
  }

  template <int four>
  [[gnu::always_inline]] static inline void add_signed_four(const std::byte* weights, const Q8Block* in,
                                                            std::size_t in_stride, IntegerSums<tokens>& sums) {
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h) {
      const __m256i weight = weights_plus<format, four, 0>(weights + h * 32);
      const __m256i magnitude = _mm256_abs_epi8(weight);
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        const __m256i four_in = broadcast4(in[t * in_stride].q + four * 4);
        const __m256i products = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(four_in, weight));
        __m256i& sum = sums.at[t][h];
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
        asm("" : "+x"(sum));
      }
    }
  }

  /// A run of unsigned fours, summed in 16 bits, then in 32.
  template <int first, int... four>
  [[gnu::always_inline]] static inline void add_run(std::integer_sequence<int, four...>, const std::byte* weights,
                                                    const Q8Block* in, std::size_t in_stride,
                                                    IntegerSums<tokens>& sums) {
    IntegerSums<tokens> pair_sums{};
    (add_four<first + four>(weights, in, in_stride, pair_sums), ...);
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        const __m256i wide = _mm256_madd_epi16(pair_sums.at[t][h], _mm256_set1_epi16(1));
        sums.at[t][h] = run_fours == part_fours ? wide : _mm256_add_epi32(sums.at[t][h], wide);
      }
    }
  }

  /// Sums of the weights' products, plus the offset's where they are unsigned.
  template <int first, int... run>
  [[gnu::always_inline]] static inline void add_part_products(std::integer_sequence<int, run...>,
                                                              const std::byte* weights, const Q8Block* in,
                                                              std::size_t in_stride, IntegerSums<tokens>& sums) {
    if constexpr (is_signed) {
      (add_signed_four<first + run>(weights, in, in_stride, sums), ...);
    } else {
      (add_run<first + run * run_fours>(std::make_integer_sequence<int, run_fours>{}, weights, in, in_stride, sums),
       ...);
    }
  }

  template <int part>
  [[gnu::always_inline]] static inline void scale(const std::byte* scales, std::size_t blocks, std::size_t b,
                                                  const Q8Block* in, std::size_t in_stride,
                                                  const IntegerSums<tokens>& sums, FloatSums<tokens>& out) {
#pragma GCC unroll 2
    for (std::size_t h = 0; h < halves; ++h) {
      const Part at{blocks, b, part, h};
      const __m256 weight_scale = scale_of<packing.scales>(scales, at);
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        const Q8Block& block = in[t * in_stride];
        __m256i integers = sums.at[t][h];
        if constexpr (!is_signed && packing.offset > 0) {
          const __m256i neg = _mm256_set1_epi32(neg_sum<parts, part>(block));
          integers = _mm256_add_epi32(integers, _mm256_slli_epi32(neg, __builtin_ctz(packing.offset)));
        }
        out.at[t][h] = add_product(integers, weight_scale, _mm256_set1_ps(block.scale), out.at[t][h]);
      }
      if constexpr (has_minimum(packing)) {
        const __m256 min = min_of<packing.scales>(scales, at);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          const __m256 scaled = _mm256_set1_ps(scaled_sum<parts, part>(in[t * in_stride]));
          out.at[t][h] = add_min<packing.scales>(min, scaled, out.at[t][h]);
        }
      }
    }
  }

  template <int part>
  [[gnu::always_inline]] static inline void add_part(const std::byte* chunk, std::size_t blocks, std::size_t b,
                                                     const Q8Block* in, std::size_t in_stride, FloatSums<tokens>& out) {
    constexpr int runs = part_fours / run_fours;
    IntegerSums<tokens> sums{};
    add_part_products<part * part_fours>(std::make_integer_sequence<int, runs>{}, chunk + b * layout.block_bytes, in,
                                         in_stride, sums);
    scale<part>(chunk + blocks * layout.block_bytes, blocks, b, in, in_stride, sums, out);
  }

  static void run(const Tile& tile) {
    const std::byte* chunk = tile.weights;
    const Q8Block* in = tile.in;
    bool odd = tile.starts_odd;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      FloatSums<tokens> sums{};
      std::size_t left = tile.leaf_blocks;
      for (std::size_t blocks = odd ? 1 : 2; left > 0; blocks = 2) {
        if (blocks > left) blocks = left;
        prefetch(chunk, layout.chunk_bytes(blocks));
        for (std::size_t b = 0; b < blocks; ++b, ++in) {
          add_part<0>(chunk, blocks, b, in, tile.in_stride, sums);
          if constexpr (parts == 2) add_part<1>(chunk, blocks, b, in, tile.in_stride, sums);
        }
        chunk += layout.chunk_bytes(blocks);
        left -= blocks;
      }
      odd ^= tile.leaf_blocks % 2 != 0;
      finish_leaf(sums, tile.to);
    }
  }
};

template <Format format>
TileKernel pick(std::size_t, std::size_t tokens) {
  static constexpr TileKernel kernels[] = {BlockTile<format, 1>::run, BlockTile<format, 2>::run,
                                           BlockTile<format, 3>::run, BlockTile<format, 4>::run};
  return kernels[tokens - 1];
}

#include "kernels/cpu/block_kernels.inl"

}  // namespace troupe::kernels::avx2
