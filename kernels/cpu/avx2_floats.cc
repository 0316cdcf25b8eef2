#include "kernels/cpu/avx2_tile.hpp"

namespace troupe::kernels::avx2 {
namespace {

inline __m256 load_bf16(const std::byte* at) {
  const __m128i upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
}

template <Format format>
inline __m256 load_column(const std::byte* column, int h) {
  if constexpr (format == Format::f16) return load_f16(column + h * 16);
  if constexpr (format == Format::bf16) return load_bf16(column + h * 16);
  return _mm256_castsi256_ps(load(column + h * 32));
}

template <Format format, int tokens>
struct Kernel {
  static constexpr std::size_t column_bytes = float_column_bytes(format);

  static void run(const cpu::FloatTile& tile) {
    FloatSums<tokens> sums{};
    if (!tile.begins) load(sums, tile.to.sums);
    const std::byte* column = tile.weights;
    for (std::size_t c = 0; c < tile.columns; ++c, column += column_bytes) {
      prefetch(column, column_bytes);
      const __m256 weight[halves] = {load_column<format>(column, 0), load_column<format>(column, 1)};
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
        const __m256 x = _mm256_set1_ps(tile.in[t * tile.in_stride + c]);
#pragma GCC unroll 2
        for (int h = 0; h < halves; ++h) sums.at[t][h] = _mm256_fmadd_ps(weight[h], x, sums.at[t][h]);
      }
    }
    if (!tile.ends) return store(sums, tile.to.sums);
    finish_leaf(sums, tile.to);
  }
};

}  // namespace

#include "kernels/cpu/float_kernels.inl"

}  // namespace troupe::kernels::avx2
