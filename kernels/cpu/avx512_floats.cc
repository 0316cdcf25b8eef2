#include "kernels/cpu/avx512_tile.hpp"

namespace troupe::kernels::avx512 {
namespace {

inline __m512 load_bf16(const std::byte* at) {
  const __m256i upper = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16));
}

/// x = scale * q of one block.
inline void dequantise(const Q8Block& block, float* x) {
  const __m512 scale = _mm512_set1_ps(block.scale);
  _mm512_store_ps(x, _mm512_mul_ps(scale, load_i8(reinterpret_cast<const std::byte*>(block.q))));
  _mm512_store_ps(x + 16, _mm512_mul_ps(scale, load_i8(reinterpret_cast<const std::byte*>(block.q + 16))));
}

template <Format format>
inline __m512 load_column(const std::byte* block, std::size_t column) {
  if constexpr (format == Format::f16) return load_f16(block + column * 32);
  if constexpr (format == Format::bf16) return load_bf16(block + column * 32);
  return _mm512_loadu_ps(block + column * 64);
}

template <Format format, int groups, int tokens>
struct FloatTile {
  static constexpr std::size_t block_bytes = layout_of(format).block_bytes;

  [[gnu::always_inline]] static inline void add_block(const std::byte* block, const Tile& tile, const Q8Block* in,
                                                      FloatSums<groups, tokens>& sums) {
    alignas(64) float x[tokens][block_columns];
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) dequantise(in[t * tile.in_stride], x[t]);
#pragma GCC unroll 2
    for (std::size_t c = 0; c < block_columns; ++c) {
      __m512 weight[groups];
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) weight[g] = load_column<format>(block + g * tile.group_bytes, c);
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g) {
          sums.at[g][t] = _mm512_fmadd_ps(weight[g], _mm512_set1_ps(x[t][c]), sums.at[g][t]);
        }
      }
    }
  }

  static void run(const Tile& tile) {
    const std::byte* block = tile.weights;
    const Q8Block* in = tile.in;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      FloatSums<groups, tokens> sums{};
      for (std::size_t b = 0; b < tile.leaf_blocks; ++b, ++in, block += block_bytes) {
        prefetch<groups, tokens>(block, block_bytes);
        add_block(block, tile, in, sums);
      }
      finish_leaf(sums, tile);
    }
  }
};

template <int groups, int tokens>
using F16 = FloatTile<Format::f16, groups, tokens>;
template <int groups, int tokens>
using BF16 = FloatTile<Format::bf16, groups, tokens>;
template <int groups, int tokens>
using F32 = FloatTile<Format::f32, groups, tokens>;

}  // namespace

TileKernel float_kernel(Format format, std::size_t groups, std::size_t tokens) {
  if (format == Format::f16) return pick<F16>(groups, tokens);
  return format == Format::bf16 ? pick<BF16>(groups, tokens) : pick<F32>(groups, tokens);
}

}  // namespace troupe::kernels::avx512
