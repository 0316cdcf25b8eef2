#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

/// Sixteen lanes as two vectors of AVX2, with FMA and F16C: the names of vec_avx512.hpp, where they are explained.
namespace troupe::kernels::avx2 {

struct F32x16 {
  __m256 low, high;
};

constexpr int tile_vectors(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

/// All bits of lane i where i < n.
inline __m256i lanes_below(std::size_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? static_cast<int>(n) : 8), lane);
}
inline std::size_t above_eight(std::size_t n) { return n < 8 ? 0 : n - 8; }

inline F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline F32x16 load(const std::uint16_t* f16) {
  const __m128i* p = reinterpret_cast<const __m128i*>(f16);
  return {_mm256_cvtph_ps(_mm_loadu_si128(p)), _mm256_cvtph_ps(_mm_loadu_si128(p + 1))};
}
inline void store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.low);
  _mm256_storeu_ps(p + 8, x.high);
}

inline F32x16 load_first(const float* p, std::size_t n) {
  return {_mm256_maskload_ps(p, lanes_below(n)), _mm256_maskload_ps(p + 8, lanes_below(above_eight(n)))};
}
inline void store_first(float* p, F32x16 x, std::size_t n) {
  _mm256_maskstore_ps(p, lanes_below(n), x.low);
  _mm256_maskstore_ps(p + 8, lanes_below(above_eight(n)), x.high);
}

inline __m128i saturated_f16(__m256 x) {
  const __m256 limit = _mm256_set1_ps(65504.0F);
  const __m256 low = _mm256_max_ps(_mm256_sub_ps(_mm256_setzero_ps(), limit), x);
  return _mm256_cvtps_ph(_mm256_min_ps(limit, low), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store_f16(std::uint16_t* p, F32x16 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), saturated_f16(x.low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), saturated_f16(x.high));
}

inline F32x16 broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F32x16 operator+(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline F32x16 operator-(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline F32x16 operator*(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline F32x16 operator/(F32x16 a, F32x16 b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

inline F32x16 larger(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline F32x16 smaller(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }

inline unsigned equal_lanes(F32x16 a, F32x16 b) {
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ));
  const int high = _mm256_movemask_ps(_mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ));
  return static_cast<unsigned>(low | high << 8);
}

inline F32x16 zero_below(F32x16 x, F32x16 by, F32x16 limit) {
  return {_mm256_and_ps(_mm256_cmp_ps(by.low, limit.low, _CMP_NLT_UQ), x.low),
          _mm256_and_ps(_mm256_cmp_ps(by.high, limit.high, _CMP_NLT_UQ), x.high)};
}

inline __m256 keep_range(__m256 x, int begin, int end) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32(begin), lane);
  const __m256i kept = _mm256_andnot_si256(before, _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane));
  return _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), x, _mm256_castsi256_ps(kept));
}
inline F32x16 keep_range(F32x16 x, int begin, int end) {
  return {keep_range(x.low, begin, end), keep_range(x.high, begin - 8, end - 8)};
}

inline __m256 power_of_two(__m256 shifted) {
  const __m256i one = _mm256_castps_si256(_mm256_set1_ps(1.0F));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23), one));
}
inline F32x16 power_of_two(F32x16 shifted) { return {power_of_two(shifted.low), power_of_two(shifted.high)}; }

inline float sum_lanes(F32x16 x) {
  const __m256 eight = _mm256_add_ps(x.low, x.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest_lane(F32x16 x) {
  const __m256 eight = _mm256_max_ps(x.low, x.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline __m256i magnitude_bits(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}
inline std::uint32_t largest_magnitude(F32x16 a, F32x16 b) {
  const __m256i eight = _mm256_max_epu32(_mm256_max_epu32(magnitude_bits(a.low), magnitude_bits(a.high)),
                                         _mm256_max_epu32(magnitude_bits(b.low), magnitude_bits(b.high)));
  const __m128i four = _mm_max_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4E));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(two, _mm_shuffle_epi32(two, 0xB1))));
}

inline std::int32_t sum_lanes(__m256i eight) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}
struct ByteSums {
  std::int32_t all, first;
};
inline ByteSums store_int8(std::int8_t* p, F32x16 a, F32x16 b) {
  const __m256i a0 = _mm256_cvtps_epi32(a.low), a1 = _mm256_cvtps_epi32(a.high);
  const __m256i b0 = _mm256_cvtps_epi32(b.low), b1 = _mm256_cvtps_epi32(b.high);
  // Packing works within halves of 128 bits, so that groups of four come out as a0 a1 b0 b1, twice.
  const __m256i mixed = _mm256_packs_epi16(_mm256_packs_epi32(a0, a1), _mm256_packs_epi32(b0, b1));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(mixed, order));
  const __m256i first = _mm256_add_epi32(a0, a1);
  return {sum_lanes(_mm256_add_epi32(first, _mm256_add_epi32(b0, b1))), sum_lanes(first)};
}

inline F32x16 load_pairs(const float* x) {
  const __m256 eight = _mm256_loadu_ps(x);
  return {_mm256_permutevar8x32_ps(eight, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)),
          _mm256_permutevar8x32_ps(eight, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7))};
}
inline F32x16 swap_pairs(F32x16 x) { return {_mm256_permute_ps(x.low, 0xB1), _mm256_permute_ps(x.high, 0xB1)}; }
inline F32x16 subtract_add(F32x16 a, F32x16 b) {
  return {_mm256_addsub_ps(a.low, b.low), _mm256_addsub_ps(a.high, b.high)};
}

inline F32x16 load_int64(const std::int64_t* p) {
  float x[16];
  for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(p[i]);
  return load(x);
}

}  // namespace troupe::kernels::avx2
