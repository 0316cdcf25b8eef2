#pragma once

#include <immintrin.h>

#include "kernels/cpu/avx512_kernels.hpp"
#include "kernels/cpu/float_driver.hpp"

/// Tile kernels for AVX-512 VNNI: one vector is 16 output rows, a lane one of them.
namespace troupe::kernels::avx512 {

using cpu::FloatTileKernel;
using cpu::Tile;
using cpu::TileKernel;
using cpu::TileOutput;

/// The kernel of a format for tiles of `groups` (1..3) by `tokens`: of integers, all or those whose weights lie in
/// `planes` (1..4 tokens, with one group 1..8), and of floating point (1..8).
[[nodiscard]] TileKernel tile_kernel(Format format, std::size_t groups, std::size_t tokens);
template <Planes planes>
[[nodiscard]] TileKernel block_kernel(Format format, std::size_t groups, std::size_t tokens);
[[nodiscard]] FloatTileKernel float_kernel(Format format, std::size_t groups, std::size_t tokens);

struct TileSize {
  static constexpr std::size_t tile_groups = 3, tile_tokens = 4, narrow_tokens = 8;
};
inline constexpr std::size_t float_tile_tokens = 8;

/// Sums of a tile, one vector for each group and token.
template <int groups, int tokens>
struct FloatSums {
  __m512 at[groups][tokens];
};
template <int groups, int tokens>
struct IntegerSums {
  __m512i at[groups][tokens];
};

inline __m512i broadcast4(const std::int8_t* four) {
  int bits;
  __builtin_memcpy(&bits, four, sizeof bits);
  return _mm512_set1_epi32(bits);
}

inline __m512 load_f16(const std::byte* at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

inline __m512 load_u8(const std::byte* at) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
}

inline __m512 load_i8(const std::byte* at) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
}

/// Tiles of one group read the weights as one stream through all groups: fetch it ahead, and keep it where there may be
/// further tokens. Larger tiles find theirs in the cache.
template <int groups, int tokens>
inline void prefetch(const std::byte* chunk, std::size_t bytes) {
  if constexpr (groups > 1) return;
  constexpr std::size_t ahead = tokens == 1 ? 8192 : 16384;
  const char* const at = reinterpret_cast<const char*>(chunk) + ahead;
  if (tokens == 1 && non_temporal_stays) {
    for (std::size_t i = 0; i < bytes; i += 64) _mm_prefetch(at + i, _MM_HINT_NTA);
  } else {
    for (std::size_t i = 0; i < bytes; i += 64) _mm_prefetch(at + i, _MM_HINT_T0);
  }
}

void drop_overflow(float* sums, std::size_t vectors, std::size_t tokens, std::uint8_t* overflow);

/// Whether every sum is surely within +-fixed_limit: the sum of some squares is at least the square of each of them.
template <int groups, int tokens>
inline bool surely_in_range(const FloatSums<groups, tokens>& sums) {
  __m512 squares[groups];
#pragma GCC unroll 8
  for (int g = 0; g < groups; ++g) squares[g] = _mm512_mul_ps(sums.at[g][0], sums.at[g][0]);
#pragma GCC unroll 8
  for (int t = 1; t < tokens; ++t) {
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) squares[g] = _mm512_fmadd_ps(sums.at[g][t], sums.at[g][t], squares[g]);
  }
#pragma GCC unroll 8
  for (int g = 1; g < groups; ++g) squares[0] = _mm512_add_ps(squares[0], squares[g]);
  return _mm512_cmp_ps_mask(squares[0], _mm512_set1_ps(fixed_limit * fixed_limit), _CMP_LE_OQ) == 0xFFFF;
}

template <int groups, int tokens>
inline void store(const FloatSums<groups, tokens>& sums, float* out) {
#pragma GCC unroll 8
  for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) _mm512_store_ps(out + (g * tokens + t) * 16, sums.at[g][t]);
  }
}

template <int groups, int tokens>
inline void load(FloatSums<groups, tokens>& sums, const float* from) {
#pragma GCC unroll 8
  for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) sums.at[g][t] = _mm512_load_ps(from + (g * tokens + t) * 16);
  }
}

inline void add(__m512i units, std::int64_t* fixed) {
  _mm512_store_si512(fixed, _mm512_add_epi64(_mm512_load_si512(fixed), units));
}

/// The multiplication by 2^32 is an addition to the exponent, because the multipliers are busy with the next leaf.
/// Zeros and subnormal numbers become tiny ones, which round to zero as they should.
template <int groups, int tokens>
inline void add_rounded(const FloatSums<groups, tokens>& sums, std::int64_t* fixed) {
  const __m512i exponent = _mm512_set1_epi32(fixed_fraction_bits << 23);
#pragma GCC unroll 8
  for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const __m512 units = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(sums.at[g][t]), exponent));
      std::int64_t* out = fixed + (g * tokens + t) * 16;
      add(_mm512_cvtps_epi64(_mm512_castps512_ps256(units)), out);
      add(_mm512_cvtps_epi64(_mm512_extractf32x8_ps(units, 1)), out + 8);
    }
  }
}

/// Puts a leaf's sums where the tile wants them.
template <int groups, int tokens>
inline void finish_leaf(FloatSums<groups, tokens>& sums, const TileOutput& to) {
  if (to.fixed == nullptr) return store(sums, to.sums);
  if (!surely_in_range(sums)) [[unlikely]] {
    store(sums, to.sums);
    drop_overflow(to.sums, groups * tokens, tokens, to.overflow);
    load(sums, to.sums);
  }
  add_rounded(sums, to.fixed);
}

}  // namespace troupe::kernels::avx512
