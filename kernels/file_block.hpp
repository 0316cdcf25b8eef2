#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.hpp"
#include "kernels/format.hpp"

namespace troupe::kernels {

/// 32 columns of a quantised row as a model file holds them, taken apart but not computed with.
/// A column's value is scale * (sub_scale) * (q - offset) (+ min or - min * sub_min), by format.
struct FileBlock {
  std::uint8_t q[block_columns];  ///< unsigned, the format's offset not yet subtracted (Q8_0: xor 0x80)
  std::uint16_t scale;            ///< F16
  std::uint16_t min;              ///< F16: Q4_1, Q4_K
  std::int8_t sub_scale[2];       ///< for each half of the block: Q4_K (both the same), Q6_K
  std::uint8_t sub_min;           ///< Q4_K
};

/// Reads block `index` (of 32 columns) of a row in a quantised format.
void read_block(Format format, const std::byte* row, std::size_t index, FileBlock& out);

}  // namespace troupe::kernels
