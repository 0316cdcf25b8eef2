#pragma once

/// Numbers that every version of the kernels must share; no code, which objects of unlike instruction sets must not.
namespace troupe::kernels {

/// exp_f32 and its vector versions.
namespace exp_constants {

inline constexpr float smallest = -87.0F;  ///< below it the result is 0, so that 2^n is never denormal
inline constexpr float largest = 88.0F;

inline constexpr float log2_e = 0x1.715476p+0F;
inline constexpr float ln2_high = 0x1.62e4p-1F;  ///< few bits: n * ln2_high is exact
inline constexpr float ln2_low = 0x1.7f7d1cp-20F;

/// 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
inline constexpr float round_magic = 12582912.0F;

/// exp(r) for |r| <= ln2 / 2 is 1 + r + c2 r^2 + ... + c6 r^6 (minimax, relative error 3.1e-9).
inline constexpr float c2 = 0x1.fffffcp-2F;
inline constexpr float c3 = 0x1.55549p-3F;
inline constexpr float c4 = 0x1.5558f4p-5F;
inline constexpr float c5 = 0x1.123a6cp-7F;
inline constexpr float c6 = 0x1.6a2350p-10F;

}  // namespace exp_constants

/// tanh_f32 and its vector versions.
namespace tanh_constants {

/// Below it tanh(x) is x + c3 x^3 + ... + c11 x^11 (minimax, relative error 4.4e-9).
inline constexpr float near = 0.625F;
inline constexpr float c3 = -0x1.555532p-2F;
inline constexpr float c5 = 0x1.110726p-3F;
inline constexpr float c7 = -0x1.b83c52p-5F;
inline constexpr float c9 = 0x1.52266p-6F;
inline constexpr float c11 = -0x1.75e0bep-8F;

}  // namespace tanh_constants

/// gelu(x) = x / (1 + exp(gelu_factor * (x + gelu_cubic x^3))).
inline constexpr float gelu_cubic = 0.044715F;
inline constexpr float gelu_factor = -1.5957691216057308F;  ///< -2 sqrt(2 / pi)

/// swiglu_oai: what of a gate and of its up counts, and what the gate is multiplied by before its sigmoid.
inline constexpr float swiglu_oai_limit = 7.0F;
inline constexpr float swiglu_oai_alpha = 1.702F;

/// A block whose largest magnitude is below it is quantised to zeros: the inverse of its scale could overflow.
inline constexpr float smallest_quantized = 0x1p-120F;

}  // namespace troupe::kernels
