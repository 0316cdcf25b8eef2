#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.hpp"
#include "kernels/packed.hpp"

namespace troupe::kernels {

/// How a chunk (16 rows by one or two blocks of 32 columns) of a packed matrix lies in memory: the weights of its first
/// block, of its second, then its scales. Vectors are 64 bytes, lane r the four bytes of row r.
///
///   4-bit      4 vectors a block; vector i holds columns 4i..4i+3 in low nibbles, 16+4i..16+4i+3 in high ones
///   q8, q6_k   8 vectors a block; vector i holds columns 4i..4i+3
///   f16, f32   column by column, 16 rows each
///
///   scales     q4, q8: F16 [blocks][16].   q4_min: the same, then F16 minima [blocks][16].
///              q4_k: F16 d [16], F16 dmin [16], then u8 scales [blocks][16], u8 minima [blocks][16].
///              q6_k: F16 d [blocks][16], then i8 scales [blocks][2][16], of columns 0..15 and 16..31.
struct ChunkLayout {
  std::size_t block_bytes;         ///< weights of 16 rows by 32 columns
  std::size_t shared_scale_bytes;  ///< scales, once in a chunk
  std::size_t block_scale_bytes;   ///< scales, for each block of it
};

template <Packing packing>
inline constexpr ChunkLayout layout_of{};
template <>
inline constexpr ChunkLayout layout_of<Packing::q4>{256, 0, 32};
template <>
inline constexpr ChunkLayout layout_of<Packing::q4_min>{256, 0, 64};
template <>
inline constexpr ChunkLayout layout_of<Packing::q4_k>{256, 64, 32};
template <>
inline constexpr ChunkLayout layout_of<Packing::q8>{512, 0, 32};
template <>
inline constexpr ChunkLayout layout_of<Packing::q6_k>{512, 0, 64};
template <>
inline constexpr ChunkLayout layout_of<Packing::f16>{1024, 0, 0};
template <>
inline constexpr ChunkLayout layout_of<Packing::f32>{2048, 0, 0};

[[nodiscard]] ChunkLayout chunk_layout(Packing packing);

/// Blocks in a full chunk: two; one for Q4_K leaves of an odd number of blocks, because a pair could straddle two
/// super-blocks and have two d.
[[nodiscard]] std::size_t chunk_blocks(Packing packing, std::size_t leaf_columns);

/// Bytes of one group of 16 rows by one leaf.
[[nodiscard]] std::size_t leaf_bytes(Packing packing, std::size_t leaf_columns);

/// Where block `block` of a leaf (relative to a group's and leaf's first byte) lies.
struct BlockPlace {
  std::size_t chunk;   ///< offset of its chunk
  std::size_t blocks;  ///< blocks in that chunk
  std::size_t inner;   ///< which of them it is
};
[[nodiscard]] BlockPlace place_of(Packing packing, std::size_t leaf_columns, std::size_t block);

/// One row of one block of a quantised packing: weight c is scale[c / 16] * q[c] + min.
struct PackedBlock {
  std::int32_t q[block_columns];  ///< the offset subtracted
  float scale[2];
  float min;
};

/// Precondition: the packing is neither f16 nor f32.
[[nodiscard]] PackedBlock read_packed_block(const PackedMatrix& matrix, std::size_t row, std::size_t leaf,
                                            std::size_t block);

/// One row's weights of one block of an f16 or f32 packing.
void read_packed_floats(const PackedMatrix& matrix, std::size_t row, std::size_t leaf, std::size_t block, float* out);

[[nodiscard]] constexpr bool has_minimum(Packing packing) {
  return packing == Packing::q4_min || packing == Packing::q4_k;
}

}  // namespace troupe::kernels
