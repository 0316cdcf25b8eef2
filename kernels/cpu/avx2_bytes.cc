#include "kernels/cpu/avx2_tile.hpp"

namespace troupe::kernels::avx2 {
namespace {

constexpr int half_vectors = 4;  // of 16 rows by 4 columns, 64 bytes: half a block

/// Products of four columns, in pairs: exact in 16 bits, as activations lie within +-127 and |weight| <= 128.
inline __m256i pair_products(__m256i magnitude, __m256i weight, __m256i in) {
  return _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(in, weight));
}

inline __m256i sum_pairs(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

/// A packing's add_half adds 16 columns to the 32-bit sums.
struct Q8 {
  static constexpr Packing packing = Packing::q8;

  template <int tokens>
  [[gnu::always_inline]] static inline void add_half(const std::byte* weights, __m256i offset, const std::int8_t* in,
                                                     std::size_t in_bytes, IntegerSums<tokens>& sums) {
#pragma GCC unroll 4
    for (int v = 0; v < half_vectors; ++v) {
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        const __m256i weight = _mm256_sub_epi8(load(weights + v * 64 + h * 32), offset);
        const __m256i magnitude = _mm256_abs_epi8(weight);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          const __m256i pairs = pair_products(magnitude, weight, broadcast4(in + t * in_bytes + v * 4));
          sums.at[t][h] = _mm256_add_epi32(sums.at[t][h], sum_pairs(pairs));
          asm("" : "+x"(sums.at[t][h]));  // else GCC sums in another order, which needs more registers than there are
        }
      }
    }
  }
};

/// |weight| <= 32: 16 columns stay exact in 16 bits, four times 2 * 32 * 127.
struct Q6K {
  static constexpr Packing packing = Packing::q6_k;

  template <int tokens>
  [[gnu::always_inline]] static inline void add_half(const std::byte* weights, __m256i offset, const std::int8_t* in,
                                                     std::size_t in_bytes, IntegerSums<tokens>& sums) {
    IntegerSums<tokens> pairs{};
#pragma GCC unroll 4
    for (int v = 0; v < half_vectors; ++v) {
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        const __m256i weight = _mm256_sub_epi8(load(weights + v * 64 + h * 32), offset);
        const __m256i magnitude = _mm256_abs_epi8(weight);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          const __m256i products = pair_products(magnitude, weight, broadcast4(in + t * in_bytes + v * 4));
          pairs.at[t][h] = _mm256_add_epi16(pairs.at[t][h], products);
          asm("" : "+x"(pairs.at[t][h]));  // as above
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) sums.at[t][h] = sum_pairs(pairs.at[t][h]);
    }
  }
};

template <class Format, int tokens>
struct ByteTile {
  static constexpr ChunkLayout layout = layout_of<Format::packing>;
  static constexpr std::size_t half_bytes = half_vectors * 64;

  [[gnu::always_inline]] static inline void scale(const __m256 (&weight_scale)[halves], const Q8Block* in,
                                                  std::size_t in_stride, const IntegerSums<tokens>& integers,
                                                  FloatSums<tokens>& sums) {
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) {
      const __m256 in_scale = _mm256_set1_ps(in[t * in_stride].scale);
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        sums.at[t][h] = add_product(integers.at[t][h], weight_scale[h], in_scale, sums.at[t][h]);
      }
    }
  }

  /// One scale for both halves of the block's columns.
  [[gnu::always_inline]] static inline void add_whole(const std::byte* weights, const std::byte* scales,
                                                      const Tile& tile, const Q8Block* in, FloatSums<tokens>& sums) {
    const __m256i offset = _mm256_set1_epi8(static_cast<char>(tile.offset));
    const std::size_t in_bytes = tile.in_stride * sizeof(Q8Block);
    IntegerSums<tokens> integers{};
    Format::template add_half<tokens>(weights, offset, in->q, in_bytes, integers);
    Format::template add_half<tokens>(weights + half_bytes, offset, in->q + 16, in_bytes, integers);
    const __m256 weight_scale[halves] = {load_f16(scales), load_f16(scales + 16)};
    scale(weight_scale, in, tile.in_stride, integers, sums);
  }

  /// A scale of its own for each half: the block's d times one of its two rows of sub-scales.
  [[gnu::always_inline]] static inline void add_halves(const std::byte* weights, const std::byte* d,
                                                       const std::byte* sub_scales, const Tile& tile, const Q8Block* in,
                                                       FloatSums<tokens>& sums) {
    const __m256i offset = _mm256_set1_epi8(static_cast<char>(tile.offset));
    for (int half = 0; half < 2; ++half, weights += half_bytes, sub_scales += group_rows) {
      IntegerSums<tokens> integers{};
      Format::template add_half<tokens>(weights, offset, in->q + half * 16, tile.in_stride * sizeof(Q8Block), integers);
      const __m256 weight_scale[halves] = {_mm256_mul_ps(load_f16(d), load_i8(sub_scales)),
                                           _mm256_mul_ps(load_f16(d + 16), load_i8(sub_scales + 8))};
      scale(weight_scale, in, tile.in_stride, integers, sums);
    }
  }

  static void run(const Tile& tile) {
    const std::byte* chunk = tile.weights;
    const Q8Block* in = tile.in;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      FloatSums<tokens> sums{};
      for (std::size_t left = tile.leaf_blocks; left > 0;) {
        const std::size_t blocks = left < 2 ? 1 : 2;
        const std::byte* scales = chunk + blocks * layout.block_bytes;
        const std::byte* next = scales + blocks * layout.block_scale_bytes;
        prefetch(chunk, static_cast<std::size_t>(next - chunk));
        for (std::size_t i = 0; i < blocks; ++i, ++in) {
          const std::byte* weights = chunk + i * layout.block_bytes;
          if constexpr (Format::packing == Packing::q8) {
            add_whole(weights, scales + i * 32, tile, in, sums);
          } else {
            add_halves(weights, scales + i * 32, scales + blocks * 32 + i * 32, tile, in, sums);
          }
        }
        chunk = next;
        left -= blocks;
      }
      finish_leaf(sums, tile);
    }
  }
};

template <class Format>
TileKernel pick(std::size_t tokens) {
  static constexpr TileKernel kernels[] = {ByteTile<Format, 1>::run, ByteTile<Format, 2>::run, ByteTile<Format, 3>::run,
                                           ByteTile<Format, 4>::run};
  return kernels[tokens - 1];
}

}  // namespace

TileKernel byte_kernel(Packing packing, std::size_t tokens) {
  return packing == Packing::q8 ? pick<Q8>(tokens) : pick<Q6K>(tokens);
}

}  // namespace troupe::kernels::avx2
