#include "kernels/math.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/table.hpp"

#ifdef __x86_64__
#include <immintrin.h>
#endif

using namespace troupe::kernels;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::int64_t distance_in_ulps(float a, double exact) {
  const auto nearest = static_cast<float>(exact);
  return std::llabs(std::int64_t{std::bit_cast<std::int32_t>(a)} - std::bit_cast<std::int32_t>(nearest));
}

}  // namespace

TEST_CASE("exp_f32 is within one unit in the last place", "[kernels]") {
  std::int64_t worst = 0;
  for (float x = -87.0F; x <= 88.0F; x += 0.00117F) {
    worst = std::max(worst, distance_in_ulps(exp_f32(x), std::exp(static_cast<double>(x))));
  }
  CHECK(worst <= 1);
  CHECK(exp_f32(0.0F) == 1.0F);
  CHECK(exp_f32(-0.0F) == 1.0F);
  CHECK(exp_f32(-87.01F) == 0.0F);
  CHECK(exp_f32(-infinity) == 0.0F);
  CHECK(exp_f32(infinity) == exp_f32(88.0F));
  CHECK(std::isnan(exp_f32(not_a_number)));
}

TEST_CASE("log_f64 agrees with the C library", "[kernels]") {
  for (double x = 1e-310; x < 1e300; x *= 1.7) {
    INFO(x);
    CHECK(log_f64(x) == Approx(std::log(x)).epsilon(1e-15).margin(1e-16));
  }
  for (double x = 0.5; x < 2.0; x += 0.0117) CHECK(log_f64(x) == Approx(std::log(x)).epsilon(1e-15).margin(1e-17));
  CHECK(std::bit_cast<std::uint64_t>(log_f64(1.0)) == 0);
  CHECK(log_f64(0.0) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(log_f64(-1.0)));
}

TEST_CASE("rope_angles are rounded from enough digits", "[kernels]") {
  constexpr std::size_t head_dim = 64;
  for (const double theta : {10000.0, 100000.0, 1000000.0}) {
    double frequencies[head_dim / 2];
    rope_frequencies(theta, head_dim, frequencies);
    for (const std::uint64_t position : {0U, 1U, 2U, 77U, 2047U, 131071U, 1048575U}) {
      float cos_sin[head_dim];
      rope_angles(frequencies, head_dim, position, 1.0, cos_sin);
      for (std::size_t i = 0; i < head_dim / 2; ++i) {
        const long double exponent = -2.0L * static_cast<long double>(i) / head_dim;
        const long double angle =
            static_cast<long double>(position) * std::pow(static_cast<long double>(theta), exponent);
        INFO("theta " << theta << " position " << position << " pair " << i);
        CHECK(std::fabs(static_cast<double>(cos_sin[i] - std::cos(angle))) < 3.1e-8);
        CHECK(std::fabs(static_cast<double>(cos_sin[head_dim / 2 + i] - std::sin(angle))) < 3.1e-8);
      }
    }
  }
}

TEST_CASE("every half goes to float and back", "[kernels]") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const std::uint16_t back = f32_to_f16(f16_to_f32(half));
    const bool is_infinity = (half & 0x7FFFU) == 0x7C00U;
    const bool is_signalling = (half & 0x7E00U) == 0x7C00U && (half & 0x3FFU) != 0;
    const unsigned expected = is_infinity ? half - 1U : is_signalling ? half | 0x200U : half;
    if (back != expected) FAIL("half " << half << " came back as " << back);
  }
}

#ifdef __x86_64__
__attribute__((target("f16c"))) float hardware_f32(std::uint16_t half) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}
__attribute__((target("f16c"))) std::uint16_t hardware_f16(float x) {
  return static_cast<std::uint16_t>(_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT)));
}

TEST_CASE("halves agree with the processor's", "[kernels]") {
  if (find_table("avx2") == nullptr) {
    WARN("skipped: this processor has no AVX2");
    return;
  }
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(half);
    if (std::bit_cast<std::uint32_t>(value) != std::bit_cast<std::uint32_t>(hardware_f32(half))) FAIL("half " << half);
  }
  for (std::uint64_t bits = 0; bits < 0x100000000U; bits += 4093) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    std::uint16_t expected = hardware_f16(value);
    if ((expected & 0x7FFFU) == 0x7C00U) --expected;  // saturates
    if (f32_to_f16(value) != expected) FAIL("float " << value << " became " << f32_to_f16(value));
  }
  for (std::uint32_t half = 0; half < 0x7BFF; ++half) {  // ties, and their neighbours
    const float low = f16_to_f32(static_cast<std::uint16_t>(half));
    const float middle = (low + f16_to_f32(static_cast<std::uint16_t>(half + 1))) / 2;
    for (const float value : {middle, std::nextafter(middle, 0.0F), std::nextafter(middle, 1e6F), -middle}) {
      if (f32_to_f16(value) != hardware_f16(value)) FAIL("float " << value);
    }
  }
}
#endif
