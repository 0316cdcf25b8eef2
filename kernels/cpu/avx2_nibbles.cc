#include "kernels/cpu/avx2_tile.hpp"

namespace troupe::kernels::avx2 {
namespace {

constexpr int block_vectors = 4;  // of 16 rows by 8 columns, 64 bytes

template <Packing packing>
inline __m256 scale_of(const std::byte* scales, std::size_t b, int h) {
  if constexpr (packing != Packing::q4_k) return load_f16(scales + b * 32 + h * 16);
  return _mm256_mul_ps(load_f16(scales + h * 16), load_u8(scales + 64 + b * 16 + h * 8));
}

/// What is added for each unit of the activations' sum: the minimum of Q4_1; of Q4_K minus its product.
template <Packing packing>
inline __m256 min_of(const std::byte* scales, std::size_t blocks, std::size_t b, int h) {
  if constexpr (packing == Packing::q4_min) return load_f16(scales + (blocks + b) * 32 + h * 16);
  const __m256 product =
      _mm256_mul_ps(load_f16(scales + 32 + h * 16), load_u8(scales + 64 + (blocks + b) * 16 + h * 8));
  return _mm256_sub_ps(_mm256_set1_ps(-0.0F), product);
}

template <Packing packing, int tokens>
struct NibbleTile {
  static constexpr ChunkLayout layout = layout_of<packing>;

  /// Sums of pairs of columns in 16 bits: at most 8 times 2 * 15 * 127, so they stay exact.
  [[gnu::always_inline]] static inline void add_products(const std::byte* weights, const Q8Block* in,
                                                         std::size_t in_stride, IntegerSums<tokens>& pairs) {
    const __m256i low_mask = _mm256_set1_epi8(0x0F);
#pragma GCC unroll 4
    for (int v = 0; v < block_vectors; ++v) {
      __m256i low[halves], high[halves];
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        const __m256i both = load(weights + v * 64 + h * 32);
        low[h] = _mm256_and_si256(both, low_mask);
        high[h] = _mm256_and_si256(_mm256_srli_epi16(both, 4), low_mask);
      }
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        const __m256i in_low = broadcast4(in[t * in_stride].q + v * 4);
        const __m256i in_high = broadcast4(in[t * in_stride].q + v * 4 + 16);
#pragma GCC unroll 2
        for (int h = 0; h < halves; ++h) {
          __m256i& sum = pairs.at[t][h];
          sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(low[h], in_low));
          sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(high[h], in_high));
          asm("" : "+x"(sum));  // else compilers sum in another order, which needs more registers than there are
        }
      }
    }
  }

  [[gnu::always_inline]] static inline void scale(const std::byte* scales, std::size_t blocks, std::size_t b,
                                                  const Q8Block* in, std::size_t in_stride,
                                                  const IntegerSums<tokens>& pairs, FloatSums<tokens>& sums) {
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h) {
      const __m256 weight_scale = scale_of<packing>(scales, b, h);
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        const Q8Block& block = in[t * in_stride];
        __m256i integers = _mm256_madd_epi16(pairs.at[t][h], _mm256_set1_epi16(1));
        if constexpr (packing == Packing::q4) {
          integers = _mm256_add_epi32(integers, _mm256_slli_epi32(_mm256_set1_epi32(block.neg_sum), 3));
        }
        sums.at[t][h] = add_product(integers, weight_scale, _mm256_set1_ps(block.scale), sums.at[t][h]);
      }
      if constexpr (has_minimum(packing)) {
        const __m256 min = min_of<packing>(scales, blocks, b, h);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          sums.at[t][h] = _mm256_fmadd_ps(min, _mm256_set1_ps(in[t * in_stride].scaled_sum), sums.at[t][h]);
        }
      }
    }
  }

  static void run(const Tile& tile) {
    const std::byte* chunk = tile.weights;
    const Q8Block* in = tile.in;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      FloatSums<tokens> sums{};
      for (std::size_t left = tile.leaf_blocks; left > 0;) {
        const std::size_t blocks = left < tile.chunk_blocks ? 1 : tile.chunk_blocks;
        const std::byte* scales = chunk + blocks * layout.block_bytes;
        const std::byte* next = scales + layout.shared_scale_bytes + blocks * layout.block_scale_bytes;
        prefetch(chunk, static_cast<std::size_t>(next - chunk));
        for (std::size_t i = 0; i < blocks; ++i, ++in) {
          IntegerSums<tokens> pairs{};
          add_products(chunk + i * layout.block_bytes, in, tile.in_stride, pairs);
          scale(scales, blocks, i, in, tile.in_stride, pairs, sums);
        }
        chunk = next;
        left -= blocks;
      }
      finish_leaf(sums, tile);
    }
  }
};

template <Packing packing>
TileKernel pick(std::size_t tokens) {
  static constexpr TileKernel kernels[] = {NibbleTile<packing, 1>::run, NibbleTile<packing, 2>::run,
                                           NibbleTile<packing, 3>::run, NibbleTile<packing, 4>::run};
  return kernels[tokens - 1];
}

}  // namespace

TileKernel nibble_kernel(Packing packing, std::size_t tokens) {
  if (packing == Packing::q4) return pick<Packing::q4>(tokens);
  return packing == Packing::q4_min ? pick<Packing::q4_min>(tokens) : pick<Packing::q4_k>(tokens);
}

}  // namespace troupe::kernels::avx2
