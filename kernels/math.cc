#include "kernels/math.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/math_constants.hpp"

namespace troupe::kernels {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double log2_e = 0x1.71547652b82fep+0;
constexpr double ln2_high = 0x1.62e42feep-1;  // 32 bits, so that small multiples are exact
constexpr double ln2_low = 0x1.a39ef35793c76p-33;

// Adding and subtracting it rounds a double below 2^51 to the nearest integer.
constexpr double round_magic = 0x1.8p+52;

double nearest_integer(double x) { return (x + round_magic) - round_magic; }

double power_of_two(int n) { return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52); }

// sum of c[i] z^i
template <std::size_t n>
double polynomial(const double (&c)[n], double z) {
  double sum = c[n - 1];
  for (std::size_t i = n - 1; i-- > 0;) sum = sum * z + c[i];
  return sum;
}

constexpr double exp_terms[] = {1.0,
                                1.0,
                                1.0 / 2,
                                1.0 / 6,
                                1.0 / 24,
                                1.0 / 120,
                                1.0 / 720,
                                1.0 / 5040,
                                1.0 / 40320,
                                1.0 / 362880,
                                1.0 / 3628800,
                                1.0 / 39916800,
                                1.0 / 479001600,
                                1.0 / 6227020800,
                                1.0 / 87178291200};

// Precondition: the result is a normal number.
double exp_f64(double x) {
  const double n = nearest_integer(x * log2_e);
  const double r = (x - n * ln2_high) - n * ln2_low;
  return polynomial(exp_terms, r) * power_of_two(static_cast<int>(n));
}

constexpr double sin_terms[] = {1.0,          -1.0 / 6,        1.0 / 120,        -1.0 / 5040,
                                1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000};

constexpr double cos_terms[] = {1.0,
                                -1.0 / 2,
                                1.0 / 24,
                                -1.0 / 720,
                                1.0 / 40320,
                                -1.0 / 3628800,
                                1.0 / 479001600,
                                -1.0 / 87178291200,
                                1.0 / 20922789888000};

struct CosSin {
  double cos, sin;
};

// Cody and Waite's reduction: pi/2 in parts of 33 bits, exact for angles up to a million and a half.
CosSin cos_sin(double angle) {
  constexpr double two_over_pi = 0x1.45f306dc9c883p-1;
  constexpr double half_pi_high = 0x1.921fb544p+0;
  constexpr double half_pi_middle = 0x1.0b4611a6p-34;
  constexpr double half_pi_low = 0x1.3198a2e037073p-69;
  const double n = nearest_integer(angle * two_over_pi);
  const double r = ((angle - n * half_pi_high) - n * half_pi_middle) - n * half_pi_low;
  const double z = r * r;
  const double s = r * polynomial(sin_terms, z);
  const double c = polynomial(cos_terms, z);
  switch (static_cast<std::int64_t>(n) & 3) {
    case 0:
      return {c, s};
    case 1:
      return {-s, c};
    case 2:
      return {-c, -s};
    default:
      return {s, -c};
  }
}

}  // namespace

float exp_f32(float x) {
  namespace e = exp_constants;
  if (x < e::smallest) return 0.0F;
  if (x > e::largest) x = e::largest;
  const float shifted = std::fma(x, e::log2_e, e::round_magic);
  const float n = shifted - e::round_magic;
  const float r = std::fma(n, -e::ln2_low, std::fma(n, -e::ln2_high, x));
  constexpr float terms[] = {e::c6, e::c5, e::c4, e::c3, e::c2, 1.0F, 1.0F};
  float p = 0.0F;
  for (const float c : terms) p = std::fma(p, r, c);
  constexpr std::uint32_t one = 0x3F800000;
  return p * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) << 23) + one);
}

float tanh_f32(float x) {
  namespace t = tanh_constants;
  if (!(std::fabs(x) < t::near)) return 1.0F - 2.0F / (exp_f32(2.0F * x) + 1.0F);
  const float z = x * x;
  constexpr float terms[] = {t::c9, t::c7, t::c5, t::c3};
  float p = t::c11;
  for (const float c : terms) p = std::fma(p, z, c);
  return 0.0F + std::fma(x * z, p, x);  // as vectors choose between the two by adding
}

double log_f64(double x) {
  if (!(x > 0.0)) return x == 0.0 ? -infinity : std::numeric_limits<double>::quiet_NaN();
  if (x == infinity) return x;
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  constexpr std::uint64_t sqrt_half = 0x3FE6A09E667F3BCD;  // 2^n * m with m in [sqrt(1/2), sqrt(2))
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const int n = static_cast<int>(static_cast<std::int64_t>(bits - sqrt_half) >> 52);
  const double m = std::bit_cast<double>(bits - (static_cast<std::uint64_t>(n) << 52));
  exponent += n;

  // log m = 2 artanh(s)
  constexpr double terms[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9, 2.0 / 11,
                              2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
  const double s = (m - 1.0) / (m + 1.0);
  const double log_m = s * polynomial(terms, s * s);
  return exponent * ln2_high + (exponent * ln2_low + log_m);
}

void rope_frequencies(double theta, std::size_t dims, double* frequencies) {
  const double log_theta = log_f64(theta);
  for (std::size_t i = 0; i < dims / 2; ++i) {
    frequencies[i] = exp_f64(-2.0 * static_cast<double>(i) / static_cast<double>(dims) * log_theta);
  }
}

void rope_angles(const double* frequencies, std::size_t dims, std::uint64_t position, double factor,
                 float* cos_sin_out) {
  const std::size_t half = dims / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const CosSin value = cos_sin(static_cast<double>(position) * frequencies[i]);
    cos_sin_out[i] = static_cast<float>(value.cos * factor);
    cos_sin_out[half + i] = static_cast<float>(value.sin * factor);
  }
}

float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  if (exponent == 31) {  // infinity, or a quiet NaN
    return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13) | (fraction != 0 ? 0x400000U : 0U));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

float bf16_to_f32(std::uint16_t upper) { return std::bit_cast<float>(std::uint32_t{upper} << 16); }

float half_of_e8m0(std::uint32_t exponent) {
  constexpr std::uint32_t smallest = 0x00200000;  // 2^-128, which is subnormal, as the next is
  return std::bit_cast<float>(exponent < 2 ? smallest << exponent : (exponent - 1) << 23);
}

std::uint16_t f32_to_f16(float value) {
  constexpr std::uint32_t infinity_bits = 0x7F800000, largest_half = 0x477FE000, smallest_normal_half = 0x38800000;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > infinity_bits) return static_cast<std::uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x3FFU));
  if (magnitude >= largest_half) return static_cast<std::uint16_t>(sign | 0x7BFFU);

  // The bits to keep, and how many follow them that are rounded away.
  std::uint32_t kept = magnitude - (112U << 23);
  std::uint32_t dropped = 13;
  if (magnitude < smallest_normal_half) {
    const std::uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return static_cast<std::uint16_t>(sign);  // below half of the smallest half
    kept = (magnitude & 0x7FFFFFU) | 0x800000U;
    dropped = 126 - exponent;
  }
  const std::uint32_t odd = (kept >> dropped) & 1U;
  return static_cast<std::uint16_t>(sign | ((kept + (1U << (dropped - 1)) - 1 + odd) >> dropped));
}

}  // namespace troupe::kernels
