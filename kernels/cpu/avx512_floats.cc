#include "kernels/cpu/avx512_tile.hpp"

namespace troupe::kernels::avx512 {
namespace {

inline __m512 load_bf16(const std::byte* at) {
  const __m256i upper = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16));
}

template <Format format>
inline __m512 load_column(const std::byte* column) {
  if constexpr (format == Format::f16) return load_f16(column);
  if constexpr (format == Format::bf16) return load_bf16(column);
  return _mm512_loadu_ps(column);
}

template <Format format, int groups, int tokens>
struct Kernel {
  static constexpr std::size_t column_bytes = float_column_bytes(format);

  static void run(const cpu::FloatTile& tile) {
    FloatSums<groups, tokens> sums{};
    if (!tile.begins) load(sums, tile.to.sums);
    const std::byte *column = tile.weights, *ahead = tile.ahead;
#pragma GCC unroll 2
    for (std::size_t c = 0; c < tile.columns; ++c, column += column_bytes, ahead += column_bytes) {
      prefetch<groups, tokens>(column, column_bytes);
      if constexpr (groups > 1) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      __m512 weight[groups];
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) weight[g] = load_column<format>(column + g * tile.group_bytes);
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
        const __m512 x = _mm512_set1_ps(tile.in[t * tile.in_stride + c]);
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g) sums.at[g][t] = _mm512_fmadd_ps(weight[g], x, sums.at[g][t]);
      }
    }
    if (!tile.ends) return store(sums, tile.to.sums);
    finish_leaf(sums, tile.to);
  }
};

template <Format format, int groups>
FloatTileKernel pick(std::size_t tokens) {
  static constexpr FloatTileKernel kernels[float_tile_tokens] = {
      Kernel<format, groups, 1>::run, Kernel<format, groups, 2>::run, Kernel<format, groups, 3>::run,
      Kernel<format, groups, 4>::run, Kernel<format, groups, 5>::run, Kernel<format, groups, 6>::run,
      Kernel<format, groups, 7>::run, Kernel<format, groups, 8>::run};
  return kernels[tokens - 1];
}

template <Format format>
FloatTileKernel pick(std::size_t groups, std::size_t tokens) {
  if (groups == 1) return pick<format, 1>(tokens);
  return groups == 2 ? pick<format, 2>(tokens) : pick<format, 3>(tokens);
}

}  // namespace

FloatTileKernel float_kernel(Format format, std::size_t groups, std::size_t tokens) {
  if (format == Format::f16) return pick<Format::f16>(groups, tokens);
  return format == Format::bf16 ? pick<Format::bf16>(groups, tokens) : pick<Format::f32>(groups, tokens);
}

}  // namespace troupe::kernels::avx512
