#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/activation.hpp"
#include "kernels/format.hpp"
#include "kernels/math.hpp"

namespace troupe::testing {

/// 32 numbers as a block of Q8_0 or Q4_0: an F16 scale and whole numbers; a scale that is no number where one of them
/// is none.
inline void store_block(kernels::Format format, const float* x, std::byte* to) {
  const bool bytes = format == kernels::Format::q8_0;
  float largest = 0.0F;
  for (std::size_t i = 0; i < kernels::block_columns; ++i) {
    if (!(std::fabs(x[i]) <= largest)) largest = std::fabs(x[i]);
    if (std::isnan(largest)) break;
  }
  const float scale = largest / (bytes ? 127.0F : 7.0F);
  const std::uint16_t half = std::isinf(scale) ? std::uint16_t{0x7C00} : kernels::f32_to_f16(scale);
  std::memcpy(to, &half, sizeof half);
  to += sizeof half;
  const auto whole = [&](std::size_t i) {
    if (!std::isfinite(scale) || scale == 0.0F) return scale == 0.0F ? 0 : 1;
    return static_cast<int>(std::lround(x[i] / scale));
  };
  constexpr std::size_t half_block = kernels::block_columns / 2;
  for (std::size_t i = 0; i < (bytes ? kernels::block_columns : half_block); ++i) {
    to[i] = static_cast<std::byte>(bytes ? whole(i) : (whole(i) + 8) | (whole(i + half_block) + 8) << 4);
  }
}

/// Numbers as a file of F32, F16, BF16, Q8_0 or Q4_0 has them; whole blocks of the last two.
inline std::vector<std::byte> stored(kernels::Format format, const std::vector<float>& values) {
  std::vector<std::byte> out(kernels::row_bytes(format, values.size()));
  const std::size_t columns = kernels::info(format).block_columns, bytes = kernels::info(format).block_bytes;
  for (std::size_t i = 0; i * columns < values.size(); ++i) {
    std::byte* const to = out.data() + i * bytes;
    const float* const x = values.data() + i * columns;
    const std::uint16_t half = kernels::f32_to_f16(*x);
    if (columns > 1) {
      store_block(format, x, to);
    } else if (format == kernels::Format::f16) {
      std::memcpy(to, &half, bytes);
    } else {  // BF16 is the upper half of an F32
      std::memcpy(to, reinterpret_cast<const std::byte*>(x) + sizeof *x - bytes, bytes);
    }
  }
  return out;
}

}  // namespace troupe::testing
