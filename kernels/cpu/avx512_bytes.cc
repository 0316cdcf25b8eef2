#include "kernels/cpu/avx512_tile.hpp"

namespace troupe::kernels::avx512 {
namespace {

constexpr int half_vectors = 4;  // of 16 rows by 4 columns: half a block
constexpr std::size_t vector_bytes = 64;

/// Adds half a block's products of unsigned weights to `sums`.
template <int groups, int tokens>
[[gnu::always_inline]] inline void add_half(const std::byte* weights, std::size_t group_bytes, const std::int8_t* in,
                                            std::size_t in_bytes, IntegerSums<groups, tokens>& sums) {
#pragma GCC unroll 8
  for (int v = 0; v < half_vectors; ++v) {
    __m512i weight[groups];
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) weight[g] = _mm512_loadu_si512(weights + g * group_bytes + v * vector_bytes);
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const __m512i four = broadcast4(in + t * in_bytes + v * 4);
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) sums.at[g][t] = _mm512_dpbusd_epi32(sums.at[g][t], weight[g], four);
    }
  }
}

/// sums += integers * (weight_scale * in_scale), for every group and token.
template <int groups, int tokens>
[[gnu::always_inline]] inline void scale(const __m512 (&weight_scale)[groups], const Q8Block* in, std::size_t in_stride,
                                         const IntegerSums<groups, tokens>& integers, FloatSums<groups, tokens>& sums) {
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
    const __m512 in_scale = _mm512_set1_ps(in[t * in_stride].scale);
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) {
      const __m512 both = _mm512_mul_ps(weight_scale[g], in_scale);
      sums.at[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers.at[g][t]), both, sums.at[g][t]);
    }
  }
}

/// Walks the chunks: Block::add(block's weights, chunk's scales, its blocks, which of them, ...) for each block.
template <class Block, int groups, int tokens>
void run_blocks(const Tile& tile) {
  constexpr ChunkLayout layout = Block::layout;
  const std::byte* chunk = tile.weights;
  const Q8Block* in = tile.in;
  for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
    FloatSums<groups, tokens> sums{};
    for (std::size_t left = tile.leaf_blocks; left > 0;) {
      const std::size_t blocks = left < 2 ? 1 : 2;
      const std::size_t chunk_bytes = blocks * (layout.block_bytes + layout.block_scale_bytes);
      const std::byte* scales = chunk + blocks * layout.block_bytes;
      prefetch<groups, tokens>(chunk, chunk_bytes);
      for (std::size_t i = 0; i < blocks; ++i, ++in) {
        Block::add(chunk + i * layout.block_bytes, scales, blocks, i, tile, in, sums);
      }
      chunk += chunk_bytes;
      left -= blocks;
    }
    finish_leaf(sums, tile);
  }
}

template <int groups, int tokens>
struct Q8 {
  static constexpr ChunkLayout layout = layout_of<Packing::q8>;

  [[gnu::always_inline]] static inline void add(const std::byte* weights, const std::byte* scales, std::size_t,
                                                std::size_t inner, const Tile& tile, const Q8Block* in,
                                                FloatSums<groups, tokens>& sums) {
    const __m512i shift = _mm512_set1_epi32(__builtin_ctz(tile.offset));
    IntegerSums<groups, tokens> integers;
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const __m512i start = _mm512_sllv_epi32(_mm512_set1_epi32(in[t * tile.in_stride].neg_sum), shift);
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) integers.at[g][t] = start;
    }
    const std::size_t in_bytes = tile.in_stride * sizeof(Q8Block);
    add_half(weights, tile.group_bytes, in->q, in_bytes, integers);
    add_half(weights + half_vectors * vector_bytes, tile.group_bytes, in->q + 16, in_bytes, integers);
    __m512 weight_scale[groups];
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) weight_scale[g] = load_f16(scales + g * tile.group_bytes + inner * 32);
    scale(weight_scale, in, tile.in_stride, integers, sums);
  }

  static void run(const Tile& tile) { run_blocks<Q8, groups, tokens>(tile); }
};

template <int groups, int tokens>
struct Q6K {
  static constexpr ChunkLayout layout = layout_of<Packing::q6_k>;

  static inline std::int32_t sum_of_half(const std::int8_t* in) {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    const __m128i sums = _mm_sad_epu8(_mm_xor_si128(values, _mm_set1_epi8(-128)), _mm_setzero_si128());
    return _mm_cvtsi128_si32(_mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums))) - 16 * 128;
  }

  [[gnu::always_inline]] static inline void add(const std::byte* weights, const std::byte* scales, std::size_t blocks,
                                                std::size_t inner, const Tile& tile, const Q8Block* in,
                                                FloatSums<groups, tokens>& sums) {
    constexpr std::int32_t offset = 32;
    std::int32_t starts[2][tokens];
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const std::int32_t first = sum_of_half(in[t * tile.in_stride].q);
      starts[0][t] = -offset * first;
      starts[1][t] = offset * (in[t * tile.in_stride].neg_sum + first);
    }
#pragma GCC unroll 2
    for (std::size_t half = 0; half < 2; ++half) {
      IntegerSums<groups, tokens> integers;
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g) integers.at[g][t] = _mm512_set1_epi32(starts[half][t]);
      }
      add_half(weights + half * half_vectors * vector_bytes, tile.group_bytes, in->q + half * 16,
               tile.in_stride * sizeof(Q8Block), integers);
      __m512 weight_scale[groups];
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) {
        const std::byte* own = scales + g * tile.group_bytes;
        const __m512 sub_scale = load_i8(own + blocks * 32 + (inner * 2 + half) * 16);
        weight_scale[g] = _mm512_mul_ps(load_f16(own + inner * 32), sub_scale);
      }
      scale(weight_scale, in, tile.in_stride, integers, sums);
    }
  }

  static void run(const Tile& tile) { run_blocks<Q6K, groups, tokens>(tile); }
};

}  // namespace

TileKernel byte_kernel(Packing packing, std::size_t groups, std::size_t tokens) {
  return packing == Packing::q8 ? pick<Q8>(groups, tokens) : pick<Q6K>(groups, tokens);
}

}  // namespace troupe::kernels::avx512
