#pragma once

#include "kernels/cpu/avx512_tile.hpp"

/// A chunk's scales and minima in floating point, of one part of one of its blocks: see ChunkLayout.
namespace troupe::kernels::avx512 {

struct Part {
  int blocks;  ///< of the chunk
  int block;   ///< which of them
  int part;    ///< which of the block's parts
};

inline __m512i widened(const std::byte* at) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

/// 2^(exponent - 128) of 8-bit exponents, the two subnormal ones included.
inline __m512 load_e8m0(const std::byte* at) {
  const __m512i exponent = widened(at);
  const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(1)), 23);
  const __mmask16 is_subnormal = _mm512_cmplt_epu32_mask(exponent, _mm512_set1_epi32(2));
  const __m512i bits = _mm512_mask_sllv_epi32(normal, is_subnormal, _mm512_set1_epi32(0x00200000), exponent);
  return _mm512_castsi512_ps(bits);
}

template <ScaleKind kind>
inline __m512 scale_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16 || kind == ScaleKind::f16_min) return load_f16(scales + at.block * 32);
  if constexpr (kind == ScaleKind::e8m0) return load_e8m0(scales + at.block * 16);
  const __m512 d = load_f16(scales);
  if constexpr (kind == ScaleKind::k32) return _mm512_mul_ps(d, load_i8(scales + 32 + at.block * 16));
  if constexpr (kind == ScaleKind::k32_min) return _mm512_mul_ps(d, load_u8(scales + 64 + at.block * 16));
  const int row = at.block * 2 + at.part;
  if constexpr (kind == ScaleKind::k16) return _mm512_mul_ps(d, load_i8(scales + 32 + row * 16));
  const __m512i low = _mm512_and_si512(widened(scales + 64 + row * 16), _mm512_set1_epi32(0x0F));
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(low));
}

/// The minimum, or of k kinds what is subtracted instead.
template <ScaleKind kind>
inline __m512 min_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16_min) return load_f16(scales + (at.blocks + at.block) * 32);
  const __m512 dmin = load_f16(scales + 32);
  if constexpr (kind == ScaleKind::k32_min) {
    return _mm512_mul_ps(dmin, load_u8(scales + 64 + (at.blocks + at.block) * 16));
  }
  const __m512i high = _mm512_srli_epi32(widened(scales + 64 + (at.block * 2 + at.part) * 16), 4);
  return _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(high));
}

/// sum + min * scaled_sum.
template <ScaleKind kind>
inline __m512 add_min(__m512 min, __m512 scaled_sum, __m512 sum) {
  if constexpr (kind == ScaleKind::f16_min) return _mm512_fmadd_ps(min, scaled_sum, sum);
  return _mm512_fnmadd_ps(min, scaled_sum, sum);
}

}  // namespace troupe::kernels::avx512
