#pragma once

#include <utility>

#include "kernels/cpu/avx512_scales.hpp"
#include "kernels/cpu/avx512_weights.hpp"

/// Tile kernels for every format of integers, put together from how its weights and its scales are packed.
namespace troupe::kernels::avx512 {

#include "kernels/cpu/block_sums.inl"

template <Format format, int groups, int tokens>
struct BlockTile {
  using Floats = FloatSums<groups, tokens>;
  using Integers = IntegerSums<groups, tokens>;
  static constexpr Packing packing = packing_of(format);
  static constexpr ChunkLayout layout = layout_of(format);
  static constexpr int parts = parts_of(packing);
  static constexpr int part_fours = 8 / parts;

  /// Minus the offset times the activations' sum, with which the integer sum of weights plus the offset starts.
  template <int part>
  [[gnu::always_inline]] static inline void start(const Q8Block* in, std::size_t in_stride, Integers& sums) {
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      __m512i first = _mm512_setzero_si512();
      if constexpr (packing.offset > 0) {
        first = _mm512_slli_epi32(_mm512_set1_epi32(neg_sum<parts, part>(in[t * in_stride])),
                                  __builtin_ctz(packing.offset));
      }
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) sums.at[g][t] = first;
    }
  }

  template <int four>
  [[gnu::always_inline]] static inline void add_four(const std::byte* weights, std::size_t group_bytes,
                                                     const Q8Block* in, std::size_t in_stride, Integers& sums) {
    __m512i weight[groups];
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) weight[g] = unsigned_weights<format, four>(weights + g * group_bytes);
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const __m512i four_in = broadcast4(in[t * in_stride].q + four * 4);
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) sums.at[g][t] = _mm512_dpbusd_epi32(sums.at[g][t], weight[g], four_in);
    }
  }

  template <int first, int... four>
  [[gnu::always_inline]] static inline void add_fours(std::integer_sequence<int, four...>, const std::byte* weights,
                                                      std::size_t group_bytes, const Q8Block* in, std::size_t in_stride,
                                                      Integers& sums) {
    (add_four<first + four>(weights, group_bytes, in, in_stride, sums), ...);
  }

  template <int part>
  [[gnu::always_inline]] static inline void scale(const std::byte* scales, std::size_t group_bytes, Part at,
                                                  const Q8Block* in, std::size_t in_stride, const Integers& integers,
                                                  Floats& sums) {
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) {
      const __m512 weight_scale = scale_of<packing.scales>(scales + g * group_bytes, at);
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
        const __m512 both = _mm512_mul_ps(weight_scale, _mm512_set1_ps(in[t * in_stride].scale));
        sums.at[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers.at[g][t]), both, sums.at[g][t]);
      }
      if constexpr (has_minimum(packing)) {
        const __m512 min = min_of<packing.scales>(scales + g * group_bytes, at);
#pragma GCC unroll 8
        for (int t = 0; t < tokens; ++t) {
          const __m512 scaled = _mm512_set1_ps(scaled_sum<parts, part>(in[t * in_stride]));
          sums.at[g][t] = add_min<packing.scales>(min, scaled, sums.at[g][t]);
        }
      }
    }
  }

  template <int part>
  [[gnu::always_inline]] static inline void add_part(const std::byte* chunk, int blocks, int b, const Tile& tile,
                                                     const Q8Block* in, Floats& sums) {
    Integers integers;
    start<part>(in, tile.in_stride, integers);
    add_fours<part * part_fours>(std::make_integer_sequence<int, part_fours>{}, chunk + b * layout.block_bytes,
                                 tile.group_bytes, in, tile.in_stride, integers);
    scale<part>(chunk + blocks * layout.block_bytes, tile.group_bytes, {blocks, b, part}, in, tile.in_stride, integers,
                sums);
  }

  template <int blocks>
  [[gnu::always_inline]] static inline void add_chunk(const std::byte* chunk, const Tile& tile, const Q8Block* in,
                                                      Floats& sums) {
    prefetch<groups, tokens>(chunk, layout.chunk_bytes(blocks));
#pragma GCC unroll 2
    for (int b = 0; b < blocks; ++b) {
      add_part<0>(chunk, blocks, b, tile, in + b, sums);
      if constexpr (parts == 2) add_part<1>(chunk, blocks, b, tile, in + b, sums);
    }
  }

  static void run(const Tile& tile) {
    const std::byte* chunk = tile.weights;
    const Q8Block* in = tile.in;
    bool odd = tile.starts_odd;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      Floats sums{};
      std::size_t left = tile.leaf_blocks;
      for (bool single = odd; left > 0; single = false) {
        if (left >= 2 && !single) {
          add_chunk<2>(chunk, tile, in, sums);
          chunk += layout.chunk_bytes(2);
          in += 2;
          left -= 2;
        } else {
          add_chunk<1>(chunk, tile, in, sums);
          chunk += layout.chunk_bytes(1);
          ++in;
          --left;
        }
      }
      odd ^= tile.leaf_blocks % 2 != 0;
      finish_leaf(sums, tile.to);
    }
  }
};

template <Format format>
TileKernel pick(std::size_t groups, std::size_t tokens) {
  static constexpr TileKernel one[TileSize::narrow_tokens] = {
      BlockTile<format, 1, 1>::run, BlockTile<format, 1, 2>::run, BlockTile<format, 1, 3>::run,
      BlockTile<format, 1, 4>::run, BlockTile<format, 1, 5>::run, BlockTile<format, 1, 6>::run,
      BlockTile<format, 1, 7>::run, BlockTile<format, 1, 8>::run};
  static constexpr TileKernel more[2][TileSize::tile_tokens] = {
      {BlockTile<format, 2, 1>::run, BlockTile<format, 2, 2>::run, BlockTile<format, 2, 3>::run,
       BlockTile<format, 2, 4>::run},
      {BlockTile<format, 3, 1>::run, BlockTile<format, 3, 2>::run, BlockTile<format, 3, 3>::run,
       BlockTile<format, 3, 4>::run}};
  return groups == 1 ? one[tokens - 1] : more[groups - 2][tokens - 1];
}

#include "kernels/cpu/block_kernels.inl"

}  // namespace troupe::kernels::avx512
