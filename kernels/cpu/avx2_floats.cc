#include "kernels/cpu/avx2_tile.hpp"

namespace troupe::kernels::avx2 {
namespace {

inline __m256 load_bf16(const std::byte* at) {
  const __m128i upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
}

/// x = scale * q of one block.
inline void dequantise(const Q8Block& block, float* x) {
  const __m256 scale = _mm256_set1_ps(block.scale);
  for (std::size_t c = 0; c < block_columns; c += 8) {
    _mm256_store_ps(x + c, _mm256_mul_ps(scale, load_i8(reinterpret_cast<const std::byte*>(block.q + c))));
  }
}

template <Format format>
inline __m256 load_column(const std::byte* column, int h) {
  if constexpr (format == Format::f16) return load_f16(column + h * 16);
  if constexpr (format == Format::bf16) return load_bf16(column + h * 16);
  return _mm256_castsi256_ps(load(column + h * 32));
}

template <Format format, int tokens>
struct FloatTile {
  static constexpr std::size_t block_bytes = layout_of(format).block_bytes;
  static constexpr std::size_t column_bytes = block_bytes / block_columns;

  [[gnu::always_inline]] static inline void add_block(const std::byte* block, const Tile& tile, const Q8Block* in,
                                                      FloatSums<tokens>& sums) {
    alignas(32) float x[tokens][block_columns];
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) dequantise(in[t * tile.in_stride], x[t]);
    for (std::size_t c = 0; c < block_columns; ++c) {
#pragma GCC unroll 2
      for (int h = 0; h < halves; ++h) {
        const __m256 weight = load_column<format>(block + c * column_bytes, h);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          sums.at[t][h] = _mm256_fmadd_ps(weight, _mm256_set1_ps(x[t][c]), sums.at[t][h]);
        }
      }
    }
  }

  static void run(const Tile& tile) {
    const std::byte* block = tile.weights;
    const Q8Block* in = tile.in;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      FloatSums<tokens> sums{};
      for (std::size_t b = 0; b < tile.leaf_blocks; ++b, ++in, block += block_bytes) {
        prefetch(block, block_bytes);
        add_block(block, tile, in, sums);
      }
      finish_leaf(sums, tile);
    }
  }
};

template <Format format>
TileKernel pick(std::size_t tokens) {
  static constexpr TileKernel kernels[] = {FloatTile<format, 1>::run, FloatTile<format, 2>::run,
                                           FloatTile<format, 3>::run, FloatTile<format, 4>::run};
  return kernels[tokens - 1];
}

}  // namespace

TileKernel float_kernel(Format format, std::size_t tokens) {
  if (format == Format::f16) return pick<Format::f16>(tokens);
  return format == Format::bf16 ? pick<Format::bf16>(tokens) : pick<Format::f32>(tokens);
}

}  // namespace troupe::kernels::avx2
