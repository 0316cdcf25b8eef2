#pragma once

#include "kernels/cpu/avx2_tile.hpp"

/// A chunk's scales and minima in floating point, of one part of one of its blocks, for 8 rows: see ChunkLayout.
namespace troupe::kernels::avx2 {

struct Part {
  std::size_t blocks;  ///< of the chunk
  std::size_t block;   ///< which of them
  std::size_t part;    ///< which of the block's parts
  std::size_t half;    ///< rows 0..7 or 8..15
};

inline __m256i widened(const std::byte* at) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
}

/// 2^(exponent - 128) of 8-bit exponents, the two subnormal ones included.
inline __m256 load_e8m0(const std::byte* at) {
  const __m256i exponent = widened(at);
  const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(exponent, _mm256_set1_epi32(1)), 23);
  const __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), exponent);
  const __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), exponent);
  return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, is_subnormal));
}

/// A row of 16 F16 numbers, or of bytes from `first` on.
inline __m256 f16_row(const std::byte* scales, std::size_t row, Part at) {
  return load_f16(scales + row * 32 + at.half * 16);
}
inline const std::byte* byte_row(const std::byte* first, std::size_t row, Part at) {
  return first + row * 16 + at.half * 8;
}

template <ScaleKind kind>
inline __m256 scale_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16 || kind == ScaleKind::f16_min) return f16_row(scales, at.block, at);
  if constexpr (kind == ScaleKind::e8m0) return load_e8m0(byte_row(scales, at.block, at));
  const __m256 d = f16_row(scales, 0, at);
  if constexpr (kind == ScaleKind::k32) return _mm256_mul_ps(d, load_i8(byte_row(scales + 32, at.block, at)));
  if constexpr (kind == ScaleKind::k32_min) return _mm256_mul_ps(d, load_u8(byte_row(scales + 64, at.block, at)));
  const std::size_t row = at.block * 2 + at.part;
  if constexpr (kind == ScaleKind::k16) return _mm256_mul_ps(d, load_i8(byte_row(scales + 32, row, at)));
  const __m256i low = _mm256_and_si256(widened(byte_row(scales + 64, row, at)), _mm256_set1_epi32(0x0F));
  return _mm256_mul_ps(d, _mm256_cvtepi32_ps(low));
}

/// The minimum, or of k kinds what is subtracted instead.
template <ScaleKind kind>
inline __m256 min_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16_min) return f16_row(scales, at.blocks + at.block, at);
  const __m256 dmin = f16_row(scales, 1, at);
  if constexpr (kind == ScaleKind::k32_min) {
    return _mm256_mul_ps(dmin, load_u8(byte_row(scales + 64, at.blocks + at.block, at)));
  }
  const __m256i high = _mm256_srli_epi32(widened(byte_row(scales + 64, at.block * 2 + at.part, at)), 4);
  return _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(high));
}

/// sum + min * scaled_sum.
template <ScaleKind kind>
inline __m256 add_min(__m256 min, __m256 scaled_sum, __m256 sum) {
  if constexpr (kind == ScaleKind::f16_min) return _mm256_fmadd_ps(min, scaled_sum, sum);
  return _mm256_fnmadd_ps(min, scaled_sum, sum);
}

}  // namespace troupe::kernels::avx2
