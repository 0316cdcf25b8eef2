#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

/// Sixteen lanes of AVX-512, the vocabulary of rows.inl and attention.inl. vec_avx2.hpp has the same names.
namespace troupe::kernels::avx512 {

struct F32x16 {
  __m512 v;
};

/// Vectors in a row of a matrix product's tile of 1 to 6 rows: as many as leave registers for its operands.
constexpr int tile_vectors(int /*rows*/) { return 4; }

inline __mmask16 lanes_below(std::size_t n) { return static_cast<__mmask16>(n < 16 ? (1U << n) - 1 : 0xFFFFU); }

inline F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline F32x16 load(const std::uint16_t* f16) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(f16)))};
}
inline void store(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }

/// The first n lanes only (n may be above 16); the others load as zeros, and their memory is not touched.
inline F32x16 load_first(const float* p, std::size_t n) { return {_mm512_maskz_loadu_ps(lanes_below(n), p)}; }
inline void store_first(float* p, F32x16 x, std::size_t n) { _mm512_mask_storeu_ps(p, lanes_below(n), x.v); }

/// To F16, nearest even, saturating.
inline void store_f16(std::uint16_t* p, F32x16 x) {
  const __m512 limit = _mm512_set1_ps(65504.0F);
  const __m512 low = _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), limit), x.v);
  const __m256i half = _mm512_cvtps_ph(_mm512_min_ps(limit, low), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), half);
}

inline F32x16 broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

/// The larger or smaller; b where they are equal or one is NaN.
inline F32x16 larger(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32x16 smaller(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }

/// One bit a lane.
inline unsigned equal_lanes(F32x16 a, F32x16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }

/// x, and zero where `by` is below the limit (not where it is NaN).
inline F32x16 zero_below(F32x16 x, F32x16 by, F32x16 limit) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(by.v, limit.v, _CMP_NLT_UQ), x.v)};
}

/// Minus infinity in the lanes outside [begin, end).
inline F32x16 keep_range(F32x16 x, int begin, int end) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __mmask16 from = _mm512_cmpge_epi32_mask(lane, _mm512_set1_epi32(begin));
  const __mmask16 kept = _mm512_mask_cmplt_epi32_mask(from, lane, _mm512_set1_epi32(end));
  return {_mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), kept, x.v)};
}

/// 2^n, from n + 1.5 * 2^23.
inline F32x16 power_of_two(F32x16 shifted) {
  const __m512i one = _mm512_castps_si512(_mm512_set1_ps(1.0F));
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23), one))};
}

/// Lane i with lane i+8, then +4, +2, +1.
inline float sum_lanes(F32x16 x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest_lane(F32x16 x) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// The largest magnitude of 32 numbers as an unsigned integer, in which NaN is above infinity.
inline std::uint32_t largest_magnitude(F32x16 a, F32x16 b) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  const __m512i a_bits = _mm512_and_si512(_mm512_castps_si512(a.v), magnitude);
  const __m512i b_bits = _mm512_and_si512(_mm512_castps_si512(b.v), magnitude);
  return _mm512_reduce_max_epu32(_mm512_max_epu32(a_bits, b_bits));
}

struct ByteSums {
  std::int32_t all, first;  ///< of 32, of the first 16
};
/// Rounds 32 numbers to nearest even and stores bytes; returns the sums of what it stored. Precondition: |x| <= 127.
inline ByteSums store_int8(std::int8_t* p, F32x16 a, F32x16 b) {
  const __m512i low = _mm512_cvtps_epi32(a.v), high = _mm512_cvtps_epi32(b.v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 16), _mm512_cvtepi32_epi8(high));
  return {_mm512_reduce_add_epi32(_mm512_add_epi32(low, high)), _mm512_reduce_add_epi32(low)};
}

/// x[0] x[0] x[1] x[1] ... x[7] x[7].
inline F32x16 load_pairs(const float* x) {
  const __m512i index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return {_mm512_permutexvar_ps(index, _mm512_castps256_ps512(_mm256_loadu_ps(x)))};
}
inline F32x16 swap_pairs(F32x16 x) { return {_mm512_permute_ps(x.v, 0xB1)}; }
/// a - b in even lanes, a + b in odd ones.
inline F32x16 subtract_add(F32x16 a, F32x16 b) {
  return {_mm512_mask_sub_ps(_mm512_add_ps(a.v, b.v), 0x5555, a.v, b.v)};
}

/// Sixteen 64-bit integers as float, rounded once.
inline F32x16 load_int64(const std::int64_t* p) {
  const __m256 low = _mm512_cvtepi64_ps(_mm512_loadu_si512(p));
  const __m256 high = _mm512_cvtepi64_ps(_mm512_loadu_si512(p + 8));
  return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)};
}

}  // namespace troupe::kernels::avx512
