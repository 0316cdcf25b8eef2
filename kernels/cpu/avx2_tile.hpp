#pragma once

#include <immintrin.h>

#include "kernels/cpu/float_driver.hpp"

/// Tile kernels for AVX2: a group of 16 output rows is two vectors, a lane one row.
namespace troupe::kernels::avx2 {

using cpu::FloatTileKernel;
using cpu::Tile;
using cpu::TileKernel;
using cpu::TileOutput;

/// The kernel of a format for tiles of `groups` (1) by `tokens`: of integers, all or those whose weights lie in
/// `planes` (1..4 tokens), and of floating point (1..6).
[[nodiscard]] TileKernel tile_kernel(Format format, std::size_t groups, std::size_t tokens);
template <Planes planes>
[[nodiscard]] TileKernel block_kernel(Format format, std::size_t groups, std::size_t tokens);
[[nodiscard]] FloatTileKernel float_kernel(Format format, std::size_t groups, std::size_t tokens);

struct TileSize {
  static constexpr std::size_t tile_groups = 1, tile_tokens = 4, narrow_tokens = 4;
};

inline constexpr int halves = 2;
inline constexpr std::size_t half_rows = group_rows / halves;
inline constexpr std::size_t float_tile_tokens = 6;

/// Sums of a tile.
template <int tokens>
struct FloatSums {
  __m256 at[tokens][halves];
};
template <int tokens>
struct IntegerSums {
  __m256i at[tokens][halves];
};

inline __m256i load(const std::byte* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }

inline __m256i broadcast4(const std::int8_t* four) {
  int bits;
  __builtin_memcpy(&bits, four, sizeof bits);
  return _mm256_set1_epi32(bits);
}

inline __m256 load_f16(const std::byte* at) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

inline __m256 load_u8(const std::byte* at) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
}

inline __m256 load_i8(const std::byte* at) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
}

/// The weights are one stream through all groups: fetch it ahead.
inline void prefetch(const std::byte* chunk, std::size_t bytes) {
  constexpr std::size_t ahead = 8192;
  for (std::size_t i = 0; i < bytes; i += 64)
    _mm_prefetch(reinterpret_cast<const char*>(chunk + ahead + i), _MM_HINT_T0);
}

/// sum += float(integers) * (weight_scale * in_scale).
inline __m256 add_product(__m256i integers, __m256 weight_scale, __m256 in_scale, __m256 sum) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers), _mm256_mul_ps(weight_scale, in_scale), sum);
}

void drop_overflow(float* sums, std::size_t vectors, std::size_t tokens, std::uint8_t* overflow);

template <int tokens>
inline bool in_range(const FloatSums<tokens>& sums) {
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i largest = _mm256_setzero_si256();  // as bits, which puts infinity and NaN above all numbers
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h) {
      largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(sums.at[t][h]), magnitude));
    }
  }
  const __m256i beyond = _mm256_cmpgt_epi32(largest, _mm256_castps_si256(_mm256_set1_ps(fixed_limit)));
  return _mm256_testz_si256(beyond, beyond) != 0;
}

template <int tokens>
inline void store(const FloatSums<tokens>& sums, float* out) {
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h) _mm256_store_ps(out + t * group_rows + h * half_rows, sums.at[t][h]);
  }
}

template <int tokens>
inline void load(FloatSums<tokens>& sums, const float* from) {
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h) sums.at[t][h] = _mm256_load_ps(from + t * group_rows + h * half_rows);
  }
}

/// Adds four sums of magnitude at most 2^19 in units of 2^-32. The magic number's last bit counts units, so that adding
/// it in double rounds to them, and the difference of the bits is the integer.
inline void add_rounded(__m128 sums, std::int64_t* fixed) {
  const __m256d magic = _mm256_set1_pd(0x1.8p52);
  const __m256d units_per_one = _mm256_set1_pd(static_cast<double>(1ULL << fixed_fraction_bits));
  const __m256d shifted = _mm256_fmadd_pd(_mm256_cvtps_pd(sums), units_per_one, magic);
  const __m256i units = _mm256_sub_epi64(_mm256_castpd_si256(shifted), _mm256_castpd_si256(magic));
  auto* out = reinterpret_cast<__m256i*>(fixed);
  _mm256_store_si256(out, _mm256_add_epi64(_mm256_load_si256(out), units));
}

/// Puts a leaf's sums where the tile wants them.
template <int tokens>
inline void finish_leaf(FloatSums<tokens>& sums, const TileOutput& to) {
  if (to.fixed == nullptr) return store(sums, to.sums);
  if (!in_range(sums)) [[unlikely]] {
    store(sums, to.sums);
    drop_overflow(to.sums, tokens, tokens, to.overflow);
    load(sums, to.sums);
  }
  std::int64_t* out = to.fixed;
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 2
    for (int h = 0; h < halves; ++h, out += half_rows) {
      add_rounded(_mm256_castps256_ps128(sums.at[t][h]), out);
      add_rounded(_mm256_extractf128_ps(sums.at[t][h], 1), out + half_rows / 2);
    }
  }
}

}  // namespace troupe::kernels::avx2
