#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

/// Sixteen lanes as four vectors of NEON (ARMv8.0-A): the names of vec_avx512.hpp, where they are explained.
namespace troupe::kernels::neon {

struct F32x16 {
  float32x4_t at[4];
};

/// Each of the four vectors is f(which).
template <class Function>
[[gnu::always_inline]] inline F32x16 each(Function f) {
  return {{f(0), f(1), f(2), f(3)}};
}

constexpr int tile_vectors(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

inline F32x16 load(const float* p) {
  return each([=](int i) { return vld1q_f32(p + 4 * i); });
}
inline F32x16 load(const std::uint16_t* f16) {
  const float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(f16)), high = vreinterpretq_f16_u16(vld1q_u16(f16 + 8));
  return {{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
           vcvt_high_f32_f16(high)}};
}
inline void store(float* p, F32x16 x) {
  vst1q_f32(p, x.at[0]);
  vst1q_f32(p + 4, x.at[1]);
  vst1q_f32(p + 8, x.at[2]);
  vst1q_f32(p + 12, x.at[3]);
}

inline F32x16 load_first(const float* p, std::size_t n) {
  if (n >= 16) return load(p);
  float some[16] = {};
  __builtin_memcpy(some, p, n * sizeof(float));
  return load(some);
}
inline void store_first(float* p, F32x16 x, std::size_t n) {
  if (n >= 16) return store(p, x);
  float all[16];
  store(all, x);
  __builtin_memcpy(p, all, n * sizeof(float));
}

inline F32x16 broadcast(float x) {
  return each([=](int) { return vdupq_n_f32(x); });
}
inline F32x16 operator+(F32x16 a, F32x16 b) {
  return each([&](int i) { return vaddq_f32(a.at[i], b.at[i]); });
}
inline F32x16 operator-(F32x16 a, F32x16 b) {
  return each([&](int i) { return vsubq_f32(a.at[i], b.at[i]); });
}
inline F32x16 operator*(F32x16 a, F32x16 b) {
  return each([&](int i) { return vmulq_f32(a.at[i], b.at[i]); });
}
inline F32x16 operator/(F32x16 a, F32x16 b) {
  return each([&](int i) { return vdivq_f32(a.at[i], b.at[i]); });
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return each([&](int i) { return vfmaq_f32(c.at[i], a.at[i], b.at[i]); });
}

// FMAX and FMIN would choose a NaN, and +0 of both zeros.
inline float32x4_t larger(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline float32x4_t smaller(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline F32x16 larger(F32x16 a, F32x16 b) {
  return each([&](int i) { return larger(a.at[i], b.at[i]); });
}
inline F32x16 smaller(F32x16 a, F32x16 b) {
  return each([&](int i) { return smaller(a.at[i], b.at[i]); });
}

inline void store_f16(std::uint16_t* p, F32x16 x) {
  const F32x16 limit = broadcast(65504.0F), saturated = smaller(limit, larger(broadcast(-65504.0F), x));
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(saturated.at[i])));
}

inline unsigned equal_lanes(F32x16 a, F32x16 b) {
  const auto equal = [&](int i) { return vmovn_u32(vceqq_f32(a.at[i], b.at[i])); };
  const uint8x8_t low = vmovn_u16(vcombine_u16(equal(0), equal(1)));
  const uint8x8_t high = vmovn_u16(vcombine_u16(equal(2), equal(3)));
  const uint8x8_t bit = {1, 2, 4, 8, 16, 32, 64, 128};
  return static_cast<unsigned>(vaddv_u8(vand_u8(low, bit)) | vaddv_u8(vand_u8(high, bit)) << 8);
}

inline float32x4_t masked(float32x4_t x, uint32x4_t mask) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), mask));
}
inline F32x16 zero_below(F32x16 x, F32x16 by, F32x16 limit) {
  return each([&](int i) { return masked(x.at[i], vmvnq_u32(vcltq_f32(by.at[i], limit.at[i]))); });
}

inline F32x16 keep_range(F32x16 x, int begin, int end) {
  const int32x4_t first = {0, 1, 2, 3};
  return each([&](int i) {
    const int32x4_t lane = vaddq_s32(first, vdupq_n_s32(4 * i));
    const uint32x4_t kept = vandq_u32(vcgeq_s32(lane, vdupq_n_s32(begin)), vcltq_s32(lane, vdupq_n_s32(end)));
    return vbslq_f32(kept, x.at[i], vdupq_n_f32(-__builtin_inff()));
  });
}

inline F32x16 power_of_two(F32x16 shifted) {
  const int32x4_t one = vreinterpretq_s32_f32(vdupq_n_f32(1.0F));
  return each([&](int i) {
    return vreinterpretq_f32_s32(vaddq_s32(vshlq_n_s32(vreinterpretq_s32_f32(shifted.at[i]), 23), one));
  });
}

inline float sum_lanes(F32x16 x) {
  const float32x4_t four = vaddq_f32(vaddq_f32(x.at[0], x.at[2]), vaddq_f32(x.at[1], x.at[3]));
  return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}
inline float largest_lane(F32x16 x) {
  const float32x4_t four = larger(larger(x.at[0], x.at[2]), larger(x.at[1], x.at[3]));
  const float32x4_t two = larger(four, vextq_f32(four, four, 2));
  return vgetq_lane_f32(larger(two, vextq_f32(two, two, 1)), 0);
}

inline std::uint32_t largest_magnitude(F32x16 a, F32x16 b) {
  const auto bits = [](float32x4_t x) { return vreinterpretq_u32_f32(vabsq_f32(x)); };
  uint32x4_t largest = vmaxq_u32(bits(a.at[0]), bits(b.at[0]));
  for (int i = 1; i < 4; ++i) largest = vmaxq_u32(largest, vmaxq_u32(bits(a.at[i]), bits(b.at[i])));
  return vmaxvq_u32(largest);
}

struct ByteSums {
  std::int32_t all, first;
};
/// Stores sixteen of them.
inline std::int32_t store_int8(std::int8_t* p, F32x16 x) {
  const auto rounded = [&](int i) { return vmovn_s32(vcvtnq_s32_f32(x.at[i])); };
  const int16x8_t low = vcombine_s16(rounded(0), rounded(1)), high = vcombine_s16(rounded(2), rounded(3));
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
  return vaddvq_s16(vaddq_s16(low, high));  // at most 16 * 127
}
inline ByteSums store_int8(std::int8_t* p, F32x16 a, F32x16 b) {
  const std::int32_t first = store_int8(p, a);
  return {first + store_int8(p + 16, b), first};
}

inline F32x16 load_pairs(const float* x) {
  const float32x4_t low = vld1q_f32(x), high = vld1q_f32(x + 4);
  return {{vzip1q_f32(low, low), vzip2q_f32(low, low), vzip1q_f32(high, high), vzip2q_f32(high, high)}};
}
inline F32x16 swap_pairs(F32x16 x) {
  return each([&](int i) { return vrev64q_f32(x.at[i]); });
}
inline F32x16 subtract_add(F32x16 a, F32x16 b) {
  const uint32x4_t even = {~0U, 0, ~0U, 0};
  return each([&](int i) { return vbslq_f32(even, vsubq_f32(a.at[i], b.at[i]), vaddq_f32(a.at[i], b.at[i])); });
}

/// By SCVTF of scalars: NEON's converts 64-bit integers to double alone, which would round twice.
inline F32x16 load_int64(const std::int64_t* p) {
  float x[16];
  for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(p[i]);
  return load(x);
}

}  // namespace troupe::kernels::neon
