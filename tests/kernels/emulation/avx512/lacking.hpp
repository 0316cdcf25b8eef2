#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

/// Intrinsics of AVX-512 that SIMDe 0.7.4 lacks, lane by lane, under the names that Intel gives them.
namespace troupe::kernels::lacking {

template <class T, int n>
struct Lanes {
  T at[n];
};

using F32x16 = Lanes<float, 16>;
using I32x16 = Lanes<std::int32_t, 16>;

/// Result lane i is f(lane i of v).
template <class Result, class To, class From, int n, class Vector, class Function>
Result each(Vector v, Function f) {
  const auto x = std::bit_cast<Lanes<From, n>>(v);
  Lanes<To, n> y;
  for (int i = 0; i < n; ++i) y.at[i] = f(x.at[i]);
  return std::bit_cast<Result>(y);
}

template <class To>
To convert(auto x) {
  return static_cast<To>(x);
}

inline __m128i cvtepi32_epi8(__m512i v) {
  return each<__m128i, std::int8_t, std::int32_t, 16>(v, convert<std::int8_t, std::int32_t>);
}
inline __m512i cvtepi8_epi32(__m128i v) {
  return each<__m512i, std::int32_t, std::int8_t, 16>(v, convert<std::int32_t, std::int8_t>);
}
inline __m512i cvtepu8_epi32(__m128i v) {
  return each<__m512i, std::int32_t, std::uint8_t, 16>(v, convert<std::int32_t, std::uint8_t>);
}
inline __m512i cvtepu16_epi32(__m256i v) {
  return each<__m512i, std::int32_t, std::uint16_t, 16>(v, convert<std::int32_t, std::uint16_t>);
}
inline __m512 cvtepi32_ps(__m512i v) { return each<__m512, float, std::int32_t, 16>(v, convert<float, std::int32_t>); }
inline __m256 cvtepi64_ps(__m512i v) { return each<__m256, float, std::int64_t, 8>(v, convert<float, std::int64_t>); }
inline __m512i cvtps_epi32(__m512 v) {
  return each<__m512i, std::int32_t, float, 16>(v, [](float x) { return convert<std::int32_t>(std::nearbyint(x)); });
}
inline __m512i cvtps_epi64(__m256 v) {
  return each<__m512i, std::int64_t, float, 8>(v, [](float x) { return convert<std::int64_t>(std::nearbyint(x)); });
}

inline __m256 extractf32x8_ps(__m512 v, int half) { return std::bit_cast<Lanes<__m256, 2>>(v).at[half]; }
inline __m512 cvtph_ps(__m256i v) {
  const auto x = std::bit_cast<Lanes<__m128i, 2>>(v);
  return std::bit_cast<__m512>(Lanes<__m256, 2>{_mm256_cvtph_ps(x.at[0]), _mm256_cvtph_ps(x.at[1])});
}
/// To nearest even, whatever the kernels ask for: it is that.
inline __m256i cvtps_ph(__m512 v, int) {
  const auto x = std::bit_cast<Lanes<__m256, 2>>(v);
  return std::bit_cast<__m256i>(Lanes<__m128i, 2>{_mm256_cvtps_ph(x.at[0], _MM_FROUND_TO_NEAREST_INT),
                                                  _mm256_cvtps_ph(x.at[1], _MM_FROUND_TO_NEAREST_INT)});
}

template <class T>
__mmask16 less(__m512i a, __m512i b) {
  const auto x = std::bit_cast<Lanes<T, 16>>(a), y = std::bit_cast<Lanes<T, 16>>(b);
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<unsigned>(x.at[i] < y.at[i]) << i;
  return static_cast<__mmask16>(mask);
}
inline __mmask16 cmplt_epu32_mask(__m512i a, __m512i b) { return less<std::uint32_t>(a, b); }
inline __mmask16 mask_cmplt_epi32_mask(__mmask16 mask, __m512i a, __m512i b) {
  return static_cast<__mmask16>(less<std::int32_t>(a, b) & mask);
}
inline __m512i mask_sllv_epi32(__m512i otherwise, __mmask16 mask, __m512i a, __m512i count) {
  auto x = std::bit_cast<Lanes<std::uint32_t, 16>>(otherwise);
  const auto y = std::bit_cast<Lanes<std::uint32_t, 16>>(a), by = std::bit_cast<Lanes<std::uint32_t, 16>>(count);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) x.at[i] = by.at[i] < 32 ? y.at[i] << by.at[i] : 0;
  }
  return std::bit_cast<__m512i>(x);
}
inline void mask_storeu_ps(float* p, __mmask16 mask, __m512 v) {
  const auto x = std::bit_cast<F32x16>(v);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) p[i] = x.at[i];
  }
}
inline __m512 maskz_loadu_ps(__mmask16 mask, const float* p) {
  F32x16 x;
  for (int i = 0; i < 16; ++i) x.at[i] = (mask >> i & 1) != 0 ? p[i] : 0.0F;
  return std::bit_cast<__m512>(x);
}
inline __m512 permute_ps(__m512 v, int order) {
  const auto x = std::bit_cast<F32x16>(v);
  F32x16 y;
  for (int i = 0; i < 16; ++i) y.at[i] = x.at[(i & ~3) | (order >> 2 * (i & 3) & 3)];
  return std::bit_cast<__m512>(y);
}

inline std::int32_t reduce_add_epi32(__m512i v) {
  std::int32_t sum = 0;
  for (const std::int32_t x : std::bit_cast<I32x16>(v).at) sum += x;
  return sum;
}
inline std::uint32_t reduce_max_epu32(__m512i v) {
  std::uint32_t largest = 0;
  for (const std::uint32_t x : std::bit_cast<Lanes<std::uint32_t, 16>>(v).at) largest = x > largest ? x : largest;
  return largest;
}

/// SIMDe has it, but takes minutes to compile: by products of 16 bits, of even bytes and of odd ones.
inline __m256i dpbusd(__m256i sum, __m256i a, __m256i b) {
  const __m256i even_a = _mm256_and_si256(a, _mm256_set1_epi16(0xFF)), odd_a = _mm256_srli_epi16(a, 8);
  const __m256i even_b = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), odd_b = _mm256_srai_epi16(b, 8);
  const __m256i products = _mm256_add_epi32(_mm256_madd_epi16(even_a, even_b), _mm256_madd_epi16(odd_a, odd_b));
  return _mm256_add_epi32(sum, products);
}
[[gnu::noinline]] inline __m512i dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  const auto s = std::bit_cast<Lanes<__m256i, 2>>(sum), x = std::bit_cast<Lanes<__m256i, 2>>(a),
             y = std::bit_cast<Lanes<__m256i, 2>>(b);
  return std::bit_cast<__m512i>(
      Lanes<__m256i, 2>{dpbusd(s.at[0], x.at[0], y.at[0]), dpbusd(s.at[1], x.at[1], y.at[1])});
}

}  // namespace troupe::kernels::lacking

// SIMDe's macros of one or two arguments take no template's comma.
#undef _mm512_and_si512
#undef _mm512_set1_epi32
#undef _mm512_set1_ps
#define _mm512_and_si512 simde_mm512_and_si512
#define _mm512_set1_epi32 simde_mm512_set1_epi32
#define _mm512_set1_ps simde_mm512_set1_ps

#undef _mm512_cvtps_ph
#undef _mm512_dpbusd_epi32
#undef _mm512_extractf32x8_ps
#undef _mm512_permute_ps
#define _mm512_cvtepi32_epi8 troupe::kernels::lacking::cvtepi32_epi8
#define _mm512_cvtepi8_epi32 troupe::kernels::lacking::cvtepi8_epi32
#define _mm512_cvtepu8_epi32 troupe::kernels::lacking::cvtepu8_epi32
#define _mm512_cvtepu16_epi32 troupe::kernels::lacking::cvtepu16_epi32
#define _mm512_cvtepi32_ps troupe::kernels::lacking::cvtepi32_ps
#define _mm512_cvtepi64_ps troupe::kernels::lacking::cvtepi64_ps
#define _mm512_cvtps_epi32 troupe::kernels::lacking::cvtps_epi32
#define _mm512_cvtps_epi64 troupe::kernels::lacking::cvtps_epi64
#define _mm512_extractf32x8_ps troupe::kernels::lacking::extractf32x8_ps
#define _mm512_cvtph_ps troupe::kernels::lacking::cvtph_ps
#define _mm512_cvtps_ph troupe::kernels::lacking::cvtps_ph
#define _mm512_cmplt_epu32_mask troupe::kernels::lacking::cmplt_epu32_mask
#define _mm512_mask_sllv_epi32 troupe::kernels::lacking::mask_sllv_epi32
#define _mm512_mask_cmplt_epi32_mask troupe::kernels::lacking::mask_cmplt_epi32_mask
#define _mm512_mask_storeu_ps troupe::kernels::lacking::mask_storeu_ps
#define _mm512_maskz_loadu_ps troupe::kernels::lacking::maskz_loadu_ps
#define _mm512_permute_ps troupe::kernels::lacking::permute_ps
#define _mm512_reduce_add_epi32 troupe::kernels::lacking::reduce_add_epi32
#define _mm512_reduce_max_epu32 troupe::kernels::lacking::reduce_max_epu32
#define _mm512_dpbusd_epi32 troupe::kernels::lacking::dpbusd_epi32
