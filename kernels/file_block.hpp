#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/activation.hpp"
#include "kernels/format.hpp"

namespace troupe::kernels {

/// 32 columns of a quantised row as a model file holds them, taken apart but not computed with; what they mean says
/// kernels/packing.hpp.
struct FileBlock {
  std::uint8_t q[block_columns];  ///< as stored (Q8_0: xor 0x80)
  std::uint16_t scale;            ///< F16, of k kinds d; of e8m0 the exponent
  std::uint16_t min;              ///< F16, of k kinds dmin
  std::int8_t sub_scale[2];       ///< of k kinds, for each half of the block
  std::uint8_t sub_min[2];
};

/// Two bytes of a file, as they stand there.
[[nodiscard]] inline std::uint16_t read_u16(const std::byte* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Reads block `index` (of 32 columns) of a row in a quantised format.
void read_block(Format format, const std::byte* row, std::size_t index, FileBlock& out);

}  // namespace troupe::kernels
