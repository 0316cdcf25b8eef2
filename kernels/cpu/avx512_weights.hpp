#pragma once

#include "kernels/cpu/avx512_tile.hpp"

/// Unpacks weights in registers. Columns come in fours: four 0..7 of a block is its columns 4 * four and on.
namespace troupe::kernels::avx512 {

/// The whole 16-bit lanes, left or, by a negative count, right; what crosses into the other byte is for a mask to drop.
template <int count>
inline __m512i shifted(__m512i x) {
  if constexpr (count > 0) return _mm512_slli_epi16(x, count);
  if constexpr (count < 0) return _mm512_srli_epi16(x, -count);
  return x;
}

/// A plane's vector that holds `four`, its bits moved to bit `to` of every byte, with others around them.
template <int bits, int four, int to>
inline __m512i around_bits(const std::byte* plane) {
  return shifted<to - four * bits % 8>(_mm512_loadu_si512(plane + four * bits / 8 * 64));
}

template <int bits, int to>
inline __m512i mask_of() {
  return _mm512_set1_epi8(static_cast<char>(((1 << bits) - 1) << to));
}

/// The stored numbers of 16 rows by four columns.
template <Planes planes, int four>
inline __m512i stored_weights(const std::byte* block) {
  const __m512i low = around_bits<planes.low, four, 0>(block);
  if constexpr (planes == whole_bytes) return low;
  const __m512i masked = _mm512_and_si512(low, mask_of<planes.low, 0>());
  if constexpr (planes.high == 0) {
    return masked;
  } else {
    constexpr int a_or_b_and_c = 0xF8;
    const __m512i high = around_bits<planes.high, four, planes.low>(block + planes.low * 64);
    const __m512i high_mask = mask_of<planes.high, planes.low>();
    return _mm512_ternarylogic_epi32(masked, high, high_mask, a_or_b_and_c);
  }
}

/// A codebook's levels plus the offset, in every lane of 128 bits.
template <Codebook codebook>
inline __m512i unsigned_levels(int offset) {
  const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(levels_of(codebook)));
  return _mm512_broadcast_i32x4(_mm_add_epi8(levels, _mm_set1_epi8(static_cast<char>(offset))));
}

/// The weights plus the offset, as unsigned bytes.
template <Format format, int four>
inline __m512i unsigned_weights(const std::byte* block) {
  constexpr Packing packing = packing_of(format);
  const __m512i stored = stored_weights<packing.planes, four>(block);
  if constexpr (packing.codebook == Codebook::none) return stored;
  return _mm512_shuffle_epi8(unsigned_levels<packing.codebook>(packing.offset), stored);
}

}  // namespace troupe::kernels::avx512
