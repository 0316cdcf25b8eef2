// A chunk's scales and minima in floating point, of one part of one of its blocks, for a quarter of its rows: see
// ChunkLayout.

struct Part {
  std::size_t blocks;  ///< of the chunk
  std::size_t block;   ///< which of them
  std::size_t part;    ///< which of the block's parts
  std::size_t quarter;
};

inline uint8x8_t load4(const std::byte* at) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, at, sizeof bits);
  return vreinterpret_u8_u32(vdup_n_u32(bits));
}
inline uint32x4_t widened(const std::byte* at) { return vmovl_u16(vget_low_u16(vmovl_u8(load4(at)))); }
inline float32x4_t load_u8(const std::byte* at) { return vcvtq_f32_u32(widened(at)); }
inline float32x4_t load_i8(const std::byte* at) {
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load4(at))))));
}

/// 2^(exponent - 128) of 8-bit exponents, the two subnormal ones included.
inline float32x4_t load_e8m0(const std::byte* at) {
  const uint32x4_t exponent = widened(at);
  const uint32x4_t normal = vshlq_n_u32(vsubq_u32(exponent, vdupq_n_u32(1)), 23);
  const uint32x4_t subnormal = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(exponent));
  return vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(exponent, vdupq_n_u32(2)), subnormal, normal));
}

/// A row of 16 F16 numbers, or of bytes from `first` on.
inline float32x4_t f16_row(const std::byte* scales, std::size_t row, Part at) {
  return load_f16(scales + row * 32 + at.quarter * 8);
}
inline const std::byte* byte_row(const std::byte* first, std::size_t row, Part at) {
  return first + row * 16 + at.quarter * 4;
}

template <ScaleKind kind>
[[gnu::always_inline]] inline float32x4_t scale_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16 || kind == ScaleKind::f16_min) return f16_row(scales, at.block, at);
  if constexpr (kind == ScaleKind::e8m0) return load_e8m0(byte_row(scales, at.block, at));
  const float32x4_t d = f16_row(scales, 0, at);
  if constexpr (kind == ScaleKind::k32) return vmulq_f32(d, load_i8(byte_row(scales + 32, at.block, at)));
  if constexpr (kind == ScaleKind::k32_min) return vmulq_f32(d, load_u8(byte_row(scales + 64, at.block, at)));
  const std::size_t row = at.block * 2 + at.part;
  if constexpr (kind == ScaleKind::k16) return vmulq_f32(d, load_i8(byte_row(scales + 32, row, at)));
  const uint32x4_t low = vandq_u32(widened(byte_row(scales + 64, row, at)), vdupq_n_u32(0x0F));
  return vmulq_f32(d, vcvtq_f32_u32(low));
}

/// The minimum, or of k kinds what is subtracted instead.
template <ScaleKind kind>
[[gnu::always_inline]] inline float32x4_t min_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16_min) return f16_row(scales, at.blocks + at.block, at);
  const float32x4_t dmin = f16_row(scales, 1, at);
  if constexpr (kind == ScaleKind::k32_min) {
    return vmulq_f32(dmin, load_u8(byte_row(scales + 64, at.blocks + at.block, at)));
  }
  const uint32x4_t high = vshrq_n_u32(widened(byte_row(scales + 64, at.block * 2 + at.part, at)), 4);
  return vmulq_f32(dmin, vcvtq_f32_u32(high));
}

/// sum + min * scaled_sum.
template <ScaleKind kind>
[[gnu::always_inline]] inline float32x4_t add_min(float32x4_t min, float scaled_sum, float32x4_t sum) {
  if constexpr (kind == ScaleKind::f16_min) return vfmaq_n_f32(sum, min, scaled_sum);
  return vfmsq_n_f32(sum, min, scaled_sum);
}
