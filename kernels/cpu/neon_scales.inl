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

/// Of `n` quarters: of all, or of one.
template <int n>
struct Floats {
  float32x4_t at[n];
};

/// A row of 16 F16 numbers, or of bytes from `first` on.
template <int n>
[[gnu::always_inline]] inline Floats<n> f16_row(const std::byte* scales, std::size_t row, Part at) {
  const std::byte* const first = scales + row * 32 + at.quarter * 8;
  if constexpr (n == 1) {
    return {{load_f16(first)}};
  } else {
    const auto* halves = reinterpret_cast<const std::uint16_t*>(first);
    const float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(halves));
    const float16x8_t high = vreinterpretq_f16_u16(vld1q_u16(halves + 8));
    return {{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
             vcvt_high_f32_f16(high)}};
  }
}
inline const std::byte* byte_row(const std::byte* first, std::size_t row, Part at) {
  return first + row * 16 + at.quarter * 4;
}

/// What multiplies d.
template <ScaleKind kind>
[[gnu::always_inline]] inline float32x4_t sub_scale(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::k32) return load_i8(byte_row(scales + 32, at.block, at));
  if constexpr (kind == ScaleKind::k32_min) return load_u8(byte_row(scales + 64, at.block, at));
  const std::size_t row = at.block * 2 + at.part;
  if constexpr (kind == ScaleKind::k16) return load_i8(byte_row(scales + 32, row, at));
  return vcvtq_f32_u32(vandq_u32(widened(byte_row(scales + 64, row, at)), vdupq_n_u32(0x0F)));
}

/// What multiplies dmin.
template <ScaleKind kind>
[[gnu::always_inline]] inline float32x4_t sub_min(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::k32_min) return load_u8(byte_row(scales + 64, at.blocks + at.block, at));
  return vcvtq_f32_u32(vshrq_n_u32(widened(byte_row(scales + 64, at.block * 2 + at.part, at)), 4));
}

/// Of `n` quarters from at.quarter on.
template <ScaleKind kind, int n>
[[gnu::always_inline]] inline Floats<n> scale_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16 || kind == ScaleKind::f16_min) return f16_row<n>(scales, at.block, at);
  Floats<n> all{};
  if constexpr (kind != ScaleKind::e8m0) all = f16_row<n>(scales, 0, at);
#pragma GCC unroll 4
  for (int q = 0; q < n; ++q, ++at.quarter) {
    if constexpr (kind == ScaleKind::e8m0) {
      all.at[q] = load_e8m0(byte_row(scales, at.block, at));
    } else {
      all.at[q] = vmulq_f32(all.at[q], sub_scale<kind>(scales, at));
    }
  }
  return all;
}

/// The minimum, or of k kinds what is subtracted instead.
template <ScaleKind kind, int n>
[[gnu::always_inline]] inline Floats<n> min_of(const std::byte* scales, Part at) {
  if constexpr (kind == ScaleKind::f16_min) return f16_row<n>(scales, at.blocks + at.block, at);
  Floats<n> all = f16_row<n>(scales, 1, at);
#pragma GCC unroll 4
  for (int q = 0; q < n; ++q, ++at.quarter) all.at[q] = vmulq_f32(all.at[q], sub_min<kind>(scales, at));
  return all;
}

/// sum + min * scaled_sum.
template <ScaleKind kind>
[[gnu::always_inline]] inline float32x4_t add_min(float32x4_t min, float scaled_sum, float32x4_t sum) {
  if constexpr (kind == ScaleKind::f16_min) return vfmaq_n_f32(sum, min, scaled_sum);
  return vfmsq_n_f32(sum, min, scaled_sum);
}
