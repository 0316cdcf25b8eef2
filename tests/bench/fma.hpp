#pragma once

#include <immintrin.h>

/// What the processor's fp32 multipliers can do at most, by vector width.
namespace troupe::bench {

inline constexpr int fma_rounds = 2000, fma_chains = 12;

__attribute__((target("avx512f"))) inline float multiply_add_512() {
  __m512 x[fma_chains];
  for (__m512& value : x) value = _mm512_setzero_ps();
  const __m512 a = _mm512_set1_ps(0.5F), b = _mm512_set1_ps(1.0F);
  for (int i = 0; i < fma_rounds; ++i) {
    for (__m512& value : x) value = _mm512_fmadd_ps(value, a, b);
  }
  __m512 sum = x[0];
  for (const __m512& value : x) sum = _mm512_add_ps(sum, value);
  return _mm512_cvtss_f32(sum);
}

__attribute__((target("avx2,fma"))) inline float multiply_add_256() {
  __m256 x[fma_chains];
  for (__m256& value : x) value = _mm256_setzero_ps();
  const __m256 a = _mm256_set1_ps(0.5F), b = _mm256_set1_ps(1.0F);
  for (int i = 0; i < fma_rounds; ++i) {
    for (__m256& value : x) value = _mm256_fmadd_ps(value, a, b);
  }
  __m256 sum = x[0];
  for (const __m256& value : x) sum = _mm256_add_ps(sum, value);
  return _mm256_cvtss_f32(sum);
}

/// Multiplications and additions of one call.
inline constexpr double fma_operations(bool wide) { return 2.0 * fma_rounds * fma_chains * (wide ? 16 : 8); }

}  // namespace troupe::bench
