#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

/// The contract's exp, in float: round(x log2 e) removed by two fmas, a polynomial by Horner's rule in fma, times 2^n.
/// 0 below -87, clamped above 88. Every vector version does the same operations in the same order.
[[nodiscard]] float exp_f32(float x);

/// The contract's tanh, in float: an odd polynomial near 0, elsewhere 1 - 2 / (exp(2x) + 1); never minus zero.
[[nodiscard]] float tanh_f32(float x);

/// The contract's natural logarithm of a positive number, in double.
[[nodiscard]] double log_f64(double x);

/// cos_sin of one position: [dims/2] cosines, then as many sines, of position * theta^(-2i/dims), times a factor.
/// In double with our own range reduction and polynomials, rounded once: the same on every C library.
void rope_frequencies(double theta, std::size_t dims, double* frequencies);
void rope_angles(const double* frequencies, std::size_t dims, std::uint64_t position, double factor, float* cos_sin);

[[nodiscard]] float f16_to_f32(std::uint16_t half);
[[nodiscard]] float bf16_to_f32(std::uint16_t upper);      ///< the upper half of a float
[[nodiscard]] float half_of_e8m0(std::uint32_t exponent);  ///< 2^(exponent - 128): half of what the 8 bits say
[[nodiscard]] std::uint16_t f32_to_f16(float value);       ///< nearest even, saturating to +-65504

}  // namespace troupe::kernels
