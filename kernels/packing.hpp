#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

/// The bits of stored weights: the low ones in one plane and, where there are more, the high ones in another.
/// {0, 0}: whole floating-point numbers.
struct Planes {
  std::uint8_t low, high;
  friend constexpr bool operator==(const Planes&, const Planes&) = default;
};
inline constexpr Planes floats{0, 0}, pairs{2, 0}, pairs_and_bit{2, 1}, nibbles{4, 0}, nibbles_and_bit{4, 1},
    nibbles_and_pair{4, 2}, whole_bytes{8, 0};

/// Which number a stored weight stands for: itself, or an entry of a table.
enum class Codebook : std::uint8_t { none, iq4, fp4 };

/// Of 16 levels (ggml-common.h). Those of FP4 (E2M1, OCP Microscaling Formats) are doubled; its scales are halved.
inline constexpr std::int8_t iq4_levels[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
inline constexpr std::int8_t fp4_levels[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// How weights are scaled. d and dmin are F16 and those of a super-block of 256 columns.
enum class ScaleKind : std::uint8_t {
  none,
  f16,      ///< an F16 scale a block
  f16_min,  ///< and an F16 minimum
  e8m0,     ///< a power of two a block, 8 bits of exponent
  k32,      ///< d times an i8 a block
  k32_min,  ///< d times a u8 a block, minus dmin times another
  k16,      ///< d times an i8 for every 16 columns
  k16_min,  ///< d times 4 bits for every 16 columns, minus dmin times another 4
};

/// How the weights of a format lie in memory once packed.
struct Packing {
  Planes planes;
  std::uint8_t offset;  ///< a power of two or 0: a weight plus it, after the codebook, is not negative
  Codebook codebook;
  ScaleKind scales;
};

[[nodiscard]] constexpr const std::int8_t* levels_of(Codebook codebook) {
  return codebook == Codebook::iq4 ? iq4_levels : fp4_levels;
}

/// The weight that a stored number stands for, before any scale.
[[nodiscard]] constexpr int weight_of(const Packing& packing, std::uint8_t stored) {
  return packing.codebook == Codebook::none ? stored - packing.offset : levels_of(packing.codebook)[stored];
}

/// The largest of a weight plus the offset.
[[nodiscard]] constexpr int largest_unsigned(const Packing& packing) {
  int largest = 0;
  for (int stored = 0; stored < 1 << (packing.planes.low + packing.planes.high); ++stored) {
    largest = std::max(largest, weight_of(packing, static_cast<std::uint8_t>(stored)) + packing.offset);
  }
  return largest;
}

[[nodiscard]] constexpr bool has_minimum(const Packing& packing) {
  return packing.scales == ScaleKind::f16_min || packing.scales == ScaleKind::k32_min ||
         packing.scales == ScaleKind::k16_min;
}

/// Parts of a block of 32 columns that have a scale (and a minimum) of their own: 1 or 2.
[[nodiscard]] constexpr int parts_of(const Packing& packing) {
  return packing.scales == ScaleKind::k16 || packing.scales == ScaleKind::k16_min ? 2 : 1;
}

}  // namespace troupe::kernels
