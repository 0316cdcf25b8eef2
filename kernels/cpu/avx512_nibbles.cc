#include "kernels/cpu/avx512_tile.hpp"

namespace troupe::kernels::avx512 {
namespace {

constexpr int block_vectors = 4;  // of 16 rows by 8 columns

template <Packing packing>
inline __m512 scale_of(const std::byte* scales, int b) {
  if constexpr (packing != Packing::q4_k) return load_f16(scales + b * 32);
  return _mm512_mul_ps(load_f16(scales), load_u8(scales + 64 + b * 16));
}

/// The minimum, or for Q4_K what is subtracted instead.
template <Packing packing>
inline __m512 min_of(const std::byte* scales, int blocks, int b) {
  if constexpr (packing == Packing::q4_min) return load_f16(scales + (blocks + b) * 32);
  return _mm512_mul_ps(load_f16(scales + 32), load_u8(scales + 64 + (blocks + b) * 16));
}

/// sum + min * scaled_sum.
template <Packing packing>
inline __m512 add_min(__m512 min, __m512 scaled_sum, __m512 sum) {
  if constexpr (packing == Packing::q4_min) return _mm512_fmadd_ps(min, scaled_sum, sum);
  return _mm512_fnmadd_ps(min, scaled_sum, sum);
}

template <Packing packing, int groups, int tokens>
struct NibbleTile {
  using Floats = FloatSums<groups, tokens>;
  using Integers = IntegerSums<groups, tokens>;
  static constexpr ChunkLayout layout = layout_of<packing>;

  /// Minus the offset of 8 times the activations' sum, with which Q4_0's integer sum starts.
  [[gnu::always_inline]] static inline void start(const Q8Block* in, std::size_t in_stride, Integers& sums) {
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      __m512i first = _mm512_setzero_si512();
      if constexpr (packing == Packing::q4) first = _mm512_slli_epi32(_mm512_set1_epi32(in[t * in_stride].neg_sum), 3);
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) sums.at[g][t] = first;
    }
  }

  [[gnu::always_inline]] static inline void add_products(const std::byte* weights, std::size_t group_bytes,
                                                         const Q8Block* in, std::size_t in_stride, Integers& sums) {
    const __m512i low_mask = _mm512_set1_epi8(0x0F);
#pragma GCC unroll 8
    for (int v = 0; v < block_vectors; ++v) {
      __m512i low[groups], high[groups];
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) {
        const __m512i both = _mm512_loadu_si512(weights + g * group_bytes + v * 64);
        low[g] = _mm512_and_si512(both, low_mask);
        high[g] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_mask);
      }
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
        const __m512i in_low = broadcast4(in[t * in_stride].q + v * 4);
        const __m512i in_high = broadcast4(in[t * in_stride].q + v * 4 + 16);
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g) sums.at[g][t] = _mm512_dpbusd_epi32(sums.at[g][t], low[g], in_low);
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g) sums.at[g][t] = _mm512_dpbusd_epi32(sums.at[g][t], high[g], in_high);
      }
    }
  }

  [[gnu::always_inline]] static inline void scale(const std::byte* scales, std::size_t group_bytes, int blocks, int b,
                                                  const Q8Block* in, std::size_t in_stride, const Integers& integers,
                                                  Floats& sums) {
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) {
      const __m512 weight_scale = scale_of<packing>(scales + g * group_bytes, b);
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
        const __m512 both = _mm512_mul_ps(weight_scale, _mm512_set1_ps(in[t * in_stride].scale));
        sums.at[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers.at[g][t]), both, sums.at[g][t]);
      }
      if constexpr (has_minimum(packing)) {
        const __m512 min = min_of<packing>(scales + g * group_bytes, blocks, b);
#pragma GCC unroll 8
        for (int t = 0; t < tokens; ++t) {
          sums.at[g][t] = add_min<packing>(min, _mm512_set1_ps(in[t * in_stride].scaled_sum), sums.at[g][t]);
        }
      }
    }
  }

  template <int blocks>
  [[gnu::always_inline]] static inline void add_chunk(const std::byte* chunk, const Tile& tile, const Q8Block* in,
                                                      Floats& sums) {
#pragma GCC unroll 2
    for (int b = 0; b < blocks; ++b) {
      Integers integers;
      start(in + b, tile.in_stride, integers);
      add_products(chunk + b * layout.block_bytes, tile.group_bytes, in + b, tile.in_stride, integers);
      scale(chunk + blocks * layout.block_bytes, tile.group_bytes, blocks, b, in + b, tile.in_stride, integers, sums);
    }
  }

  static void run(const Tile& tile) {
    constexpr std::size_t block_bytes = layout.block_bytes + layout.block_scale_bytes;
    const std::byte* chunk = tile.weights;
    const Q8Block* in = tile.in;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      Floats sums{};
      std::size_t left = tile.leaf_blocks;
      for (; left >= 2 && tile.chunk_blocks == 2; left -= 2, in += 2) {
        constexpr std::size_t chunk_bytes = layout.shared_scale_bytes + 2 * block_bytes;
        prefetch<groups, tokens>(chunk, chunk_bytes);
        add_chunk<2>(chunk, tile, in, sums);
        chunk += chunk_bytes;
      }
      for (; left > 0; --left, ++in) {
        constexpr std::size_t chunk_bytes = layout.shared_scale_bytes + block_bytes;
        prefetch<groups, tokens>(chunk, chunk_bytes);
        add_chunk<1>(chunk, tile, in, sums);
        chunk += chunk_bytes;
      }
      finish_leaf(sums, tile);
    }
  }
};

template <int groups, int tokens>
using Q4 = NibbleTile<Packing::q4, groups, tokens>;
template <int groups, int tokens>
using Q4Min = NibbleTile<Packing::q4_min, groups, tokens>;
template <int groups, int tokens>
using Q4K = NibbleTile<Packing::q4_k, groups, tokens>;

}  // namespace

TileKernel nibble_kernel(Packing packing, std::size_t groups, std::size_t tokens) {
  if (packing == Packing::q4) return pick<Q4>(groups, tokens);
  if (packing == Packing::q4_min) return pick<Q4Min>(groups, tokens);
  return pick<Q4K>(groups, tokens);
}

}  // namespace troupe::kernels::avx512
