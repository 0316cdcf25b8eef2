#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/format.hpp"
#include "kernels/packed.hpp"

namespace troupe::kernels::test {

/// The same numbers everywhere (xorshift32), so that a failure names a case that can be run again.
class Random {
 public:
  explicit Random(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  std::size_t below(std::size_t n) { return next() % n; }
  float between(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 8) * 0x1p-24F; }

 private:
  std::uint32_t state_;
};

/// Where a format's blocks hold F16 numbers, or those of BF16 its own: any bytes make a valid block, but for these
/// (infinities, NaNs).
inline std::vector<std::size_t> f16_places(Format format) {
  switch (format) {
    case Format::f16:
    case Format::bf16:
    case Format::q4_0:
    case Format::q5_0:
    case Format::q8_0:
    case Format::iq4_nl:
    case Format::iq4_xs:
      return {0};
    case Format::q4_1:
    case Format::q5_1:
    case Format::q4_k:
    case Format::q5_k:
      return {0, 2};
    case Format::q2_k:
      return {80, 82};
    case Format::q3_k:
      return {108};
    case Format::q6_k:
      return {208};
    case Format::f32:
    case Format::mxfp4:
      return {};
  }
  return {};
}

/// Which F16 numbers (or BF16 ones) a random tensor has for scales and elements: bits of the sign and exponent that may
/// be set. MXFP4 has no such numbers: see random_exponent.
enum class Scales : std::uint16_t {
  below_two = 0xBFFF,  ///< subnormal ones included
  small = 0x87FF,      ///< at most 2^-13
  any = 0xFBFF,        ///< any finite number up to 32768
};

/// 8 bits of an exponent, of which 127 stands for one: from 2^-15 to one, the smallest ones, or any but the largest.
inline std::byte random_exponent(Random& random, Scales scales) {
  const std::size_t count = scales == Scales::any ? 250 : 16;
  return static_cast<std::byte>((scales == Scales::below_two ? 112 : 0) + random.below(count));
}

inline void random_elements(Random& random, std::vector<std::byte>& bytes, Scales scales) {
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
    const float magnitude = scales == Scales::any ? 1e4F : 1.0F;
    const float value = random.between(-magnitude, magnitude);
    std::memcpy(bytes.data() + i, &value, sizeof value);
  }
}

/// rows * columns in a format, with random bytes.
inline std::vector<std::byte> random_tensor(Random& random, Format format, std::size_t rows, std::size_t columns,
                                            Scales scales) {
  std::vector<std::byte> bytes(rows * row_bytes(format, columns));
  if (format == Format::f32) {
    random_elements(random, bytes, scales);
    return bytes;
  }
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() >> 24);
  const std::size_t block = info(format).block_bytes;
  for (std::size_t start = 0; start < bytes.size(); start += block) {
    if (format == Format::mxfp4) bytes[start] = random_exponent(random, scales);
    for (const std::size_t place : f16_places(format)) {
      std::uint16_t half;
      std::memcpy(&half, bytes.data() + start + place, sizeof half);
      half &= static_cast<std::uint16_t>(scales);
      std::memcpy(bytes.data() + start + place, &half, sizeof half);
    }
  }
  return bytes;
}

inline const std::vector<Format> every_format = [] {
  std::vector<Format> formats;
  for (const FormatInfo& known : all_formats()) formats.push_back(known.format);
  return formats;
}();

/// A packed matrix and its bytes.
class Packed {
 public:
  explicit Packed(const PackSource& source) : matrix_(packed_layout(source)) {
    const std::size_t bytes = matrix_.groups() * matrix_.group_bytes;
    storage_.resize(bytes + packed_padding + alignment, std::byte{0xAB});
    std::byte* start = storage_.data();
    while (reinterpret_cast<std::uintptr_t>(start) % alignment != 0) ++start;
    pack(source, 0, matrix_.groups(), start);
    matrix_.data = start;
  }
  Packed(const Packed&) = delete;
  Packed& operator=(const Packed&) = delete;

  [[nodiscard]] const PackedMatrix& matrix() const { return matrix_; }

 private:
  static constexpr std::size_t alignment = 64;
  PackedMatrix matrix_;
  std::vector<std::byte> storage_;
};

}  // namespace troupe::kernels::test
