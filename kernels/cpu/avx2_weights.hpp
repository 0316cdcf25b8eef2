#pragma once

#include "kernels/cpu/avx2_tile.hpp"

/// Unpacks weights in registers. Columns come in fours: four 0..7 of a block is its columns 4 * four and on. A block is
/// read from its first byte for rows 0..7, from 32 bytes on for the others.
namespace troupe::kernels::avx2 {

/// The whole 16-bit lanes, left or, by a negative count, right; what crosses into the other byte is for a mask to drop.
template <int count>
inline __m256i shifted(__m256i x) {
  if constexpr (count > 0) return _mm256_slli_epi16(x, count);
  if constexpr (count < 0) return _mm256_srli_epi16(x, -count);
  return x;
}

/// A plane's bits of `four`, moved to bit `to` of every byte.
template <int bits, int four, int to>
inline __m256i bits_of(const std::byte* plane) {
  const __m256i around = shifted<to - four * bits % 8>(load(plane + four * bits / 8 * 64));
  return _mm256_and_si256(around, _mm256_set1_epi8(static_cast<char>(((1 << bits) - 1) << to)));
}

/// The stored numbers of 8 rows by four columns.
template <Planes planes, int four>
inline __m256i stored_weights(const std::byte* block) {
  if constexpr (planes == whole_bytes) return load(block + four * 64);
  const __m256i low = bits_of<planes.low, four, 0>(block);
  if constexpr (planes.high == 0) {
    return low;
  } else {
    return _mm256_or_si256(low, bits_of<planes.high, four, planes.low>(block + planes.low * 64));
  }
}

/// The weights plus `offset`.
template <Format format, int four, int offset>
inline __m256i weights_plus(const std::byte* block) {
  constexpr Packing packing = packing_of(format);
  const __m256i stored = stored_weights<packing.planes, four>(block);
  if constexpr (packing.codebook != Codebook::none) {
    const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(levels_of(packing.codebook)));
    const __m128i moved = _mm_add_epi8(levels, _mm_set1_epi8(static_cast<char>(offset)));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(moved), stored);
  }
  if constexpr (offset == packing.offset) return stored;
  return _mm256_add_epi8(stored, _mm256_set1_epi8(static_cast<char>(offset - packing.offset)));
}

}  // namespace troupe::kernels::avx2
