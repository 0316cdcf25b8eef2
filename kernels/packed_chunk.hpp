#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.hpp"
#include "kernels/packed.hpp"
#include "kernels/packing.hpp"

namespace troupe::kernels {

/// How a chunk (16 rows by one or two blocks of 32 columns) of a packed matrix lies in memory: the weights of its first
/// block, of its second, then its scales.
///
/// Weights: the block's low plane, then its high one. A plane of n bits is n vectors of 64 bytes, lane r the four bytes
/// of row r; the columns 4g..4g+3 are the n bits from bit g * n % 8 of the four bytes of vector g * n / 8.
///
/// Scales, where [blocks] has an element for each block of the chunk, and d and dmin are those of its super-block:
///   f16      F16 [blocks][16]
///   f16_min  F16 [blocks][16], F16 minima [blocks][16]
///   e8m0     u8 [blocks][16]
///   k32      F16 d [16], i8 [blocks][16]
///   k32_min  F16 d [16], F16 dmin [16], u8 scales [blocks][16], u8 minima [blocks][16]
///   k16      F16 d [16], i8 [blocks][2][16], of columns 0..15 and 16..31
///   k16_min  F16 d [16], F16 dmin [16], u8 [blocks][2][16], low nibbles scales, high ones minima
struct ChunkLayout {
  std::size_t block_bytes;         ///< weights of 16 rows by 32 columns
  std::size_t shared_scale_bytes;  ///< scales, once in a chunk
  std::size_t block_scale_bytes;   ///< scales, for each block of it
  [[nodiscard]] constexpr std::size_t chunk_bytes(std::size_t blocks) const {
    return shared_scale_bytes + blocks * (block_bytes + block_scale_bytes);
  }
};

/// Precondition: the format is none of floating point.
[[nodiscard]] constexpr ChunkLayout layout_of(Format format) {
  constexpr std::size_t plane_of_a_bit = group_rows * block_columns / 8;
  const Planes planes = packing_of(format).planes;
  const std::size_t block_bytes = (planes.low + planes.high) * plane_of_a_bit;
  switch (packing_of(format).scales) {
    case ScaleKind::f16:
      return {block_bytes, 0, 32};
    case ScaleKind::f16_min:
      return {block_bytes, 0, 64};
    case ScaleKind::e8m0:
      return {block_bytes, 0, 16};
    case ScaleKind::k32:
      return {block_bytes, 32, 16};
    case ScaleKind::k32_min:
      return {block_bytes, 64, 32};
    case ScaleKind::k16:
      return {block_bytes, 32, 32};
    case ScaleKind::k16_min:
      return {block_bytes, 64, 32};
    case ScaleKind::none:
      break;
  }
  return {};
}

/// Bytes of a column of 16 rows of floating point.
[[nodiscard]] constexpr std::size_t float_column_bytes(Format format) {
  return group_rows * (format == Format::f32 ? sizeof(float) : sizeof(std::uint16_t));
}

/// Bytes of one group of 16 rows by one leaf.
[[nodiscard]] std::size_t leaf_bytes(Format format, std::size_t leaf_columns);

/// Whether a leaf's first block is an odd one of the tensor's row.
[[nodiscard]] bool leaf_starts_odd(const PackedMatrix& matrix, std::size_t leaf);

/// Where block `block` of a leaf (relative to a group's and leaf's first byte) lies. Of quantised weights, as what
/// follows.
struct BlockPlace {
  std::size_t chunk;   ///< offset of its chunk
  std::size_t blocks;  ///< blocks in that chunk
  std::size_t inner;   ///< which of them it is
};
[[nodiscard]] BlockPlace place_of(const PackedMatrix& matrix, std::size_t leaf, std::size_t block);

/// One row of one block of a quantised packing: weight c is scale[c / 16] * q[c] + min[c / 16].
struct PackedBlock {
  std::int32_t q[block_columns];
  float scale[2];
  float min[2];  ///< zero for formats without
};

/// Precondition: the format is none of floating point.
[[nodiscard]] PackedBlock read_packed_block(const PackedMatrix& matrix, std::size_t row, std::size_t leaf,
                                            std::size_t block);

/// A weight of a format of floating point.
[[nodiscard]] float read_packed_float(const PackedMatrix& matrix, std::size_t row, std::size_t column);

}  // namespace troupe::kernels
