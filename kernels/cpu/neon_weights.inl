// Unpacks weights in registers. Columns come in fours: four 0..7 of a block is its columns 4 * four and on. A block is
// read from the first byte of the first of `n` quarters of its rows: of all, or of one.

/// Whether a block's fours are read one after the other, by an address that moves on with each.
template <Format format, int n>
inline constexpr bool streams = (n == quarters) && (packing_of(format).planes == whole_bytes);

template <int n>
struct Bytes {
  uint8x16_t at[n];
};

template <int n>
[[gnu::always_inline]] inline Bytes<n> load_rows(const std::byte* at) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(at);
  if constexpr (n == 1) {
    return {{vld1q_u8(bytes)}};
  } else {
    const uint8x16x4_t all = vld1q_u8_x4(bytes);
    return {{all.val[0], all.val[1], all.val[2], all.val[3]}};
  }
}

template <int count>
[[gnu::always_inline]] inline uint8x16_t shifted(uint8x16_t x) {
  if constexpr (count > 0) return vshlq_n_u8(x, count);
  if constexpr (count < 0) return vshrq_n_u8(x, -count);
  return x;
}

/// A byte's bits [from, from + bits), moved to bit `to`.
template <int bits, int from, int to>
[[gnu::always_inline]] inline uint8x16_t bits_of(uint8x16_t x) {
  const uint8x16_t moved = shifted<to - from>(x);
  if constexpr (to == 0 && from + bits == 8) return moved;
  return vandq_u8(moved, vdupq_n_u8(((1 << bits) - 1) << to));
}

/// The stored numbers of four columns.
template <Planes planes, int four, int n>
[[gnu::always_inline]] inline Bytes<n> stored_weights(const std::byte* block) {
  Bytes<n> stored = load_rows<n>(block + four * planes.low / 8 * 64);
  if constexpr (planes.low < 8) {
    for (uint8x16_t& x : stored.at) x = bits_of<planes.low, four * planes.low % 8, 0>(x);
  }
  if constexpr (planes.high > 0) {
    const Bytes<n> high = load_rows<n>(block + planes.low * 64 + four * planes.high / 8 * 64);
    for (int q = 0; q < n; ++q) {
      stored.at[q] = vorrq_u8(stored.at[q], bits_of<planes.high, four * planes.high % 8, planes.low>(high.at[q]));
    }
  }
  return stored;
}

/// The weights plus `offset`. The asm statement: else compilers add up addresses, as LD1 of four registers has no
/// offset.
template <Format format, int four, int offset, int n>
[[gnu::always_inline]] inline Bytes<n> weights_plus(const std::byte*& block) {
  constexpr Packing packing = packing_of(format);
  constexpr int read = streams<format, n> ? 0 : four;
  Bytes<n> weights = stored_weights<packing.planes, read, n>(block);
  if constexpr (streams<format, n>) {
    block += 64;
    asm("" : "+r"(block));
  }
  if constexpr (packing.codebook != Codebook::none) {
    const uint8x16_t levels = vreinterpretq_u8_s8(vld1q_s8(levels_of(packing.codebook)));
    const uint8x16_t moved = vaddq_u8(levels, vdupq_n_u8(offset));
    for (uint8x16_t& x : weights.at) x = vqtbl1q_u8(moved, x);
  } else if constexpr (offset != packing.offset) {
    for (uint8x16_t& x : weights.at) x = vsubq_u8(x, vdupq_n_u8(packing.offset - offset));
  }
  return weights;
}

/// What to add to weights so that they fit signed bytes: their offset, as which they are stored, or nothing.
constexpr int offset_to_signed(const Packing& packing) {
  return packing.codebook == Codebook::none && largest_unsigned(packing) <= 127 ? packing.offset : 0;
}
