#pragma once

#include <cstdint>
#include <optional>

namespace troupe {

/// Arithmetic on sizes that a file or a peer has named; nothing where the result does not fit 64 bits.

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// The next multiple of a power of two.
[[nodiscard]] constexpr std::optional<std::uint64_t> checked_round_up(std::uint64_t value, std::uint64_t power_of_two) {
  const auto sum = checked_add(value, power_of_two - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(power_of_two - 1);
}

}  // namespace troupe
