#include "kernels/packed_chunk.hpp"

#include <cstring>

#include "kernels/math.hpp"

namespace troupe::kernels {
namespace {

constexpr std::size_t vector_bytes = 64;
constexpr std::size_t f16_row = group_rows * sizeof(std::uint16_t);

float read_f16(const std::byte* at, std::size_t lane) {
  std::uint16_t half;
  std::memcpy(&half, at + lane * sizeof half, sizeof half);
  return f16_to_f32(half);
}

float read_u8(const std::byte* at, std::size_t lane) { return std::to_integer<std::uint8_t>(at[lane]); }
float read_i8(const std::byte* at, std::size_t lane) { return static_cast<std::int8_t>(at[lane]); }

void read_scales(Packing packing, const std::byte* scales, const BlockPlace& place, std::size_t lane,
                 PackedBlock& out) {
  const std::byte* own = scales + place.inner * f16_row;
  const std::byte* second_part = scales + place.blocks * f16_row;
  out.min = 0.0F;
  switch (packing) {
    case Packing::q4_min:
      out.min = read_f16(second_part + place.inner * f16_row, lane);
      [[fallthrough]];
    case Packing::q4:
    case Packing::q8:
      out.scale[0] = out.scale[1] = read_f16(own, lane);
      return;
    case Packing::q4_k: {
      const std::byte* sub_scales = scales + 2 * f16_row + place.inner * group_rows;
      out.scale[0] = out.scale[1] = read_f16(scales, lane) * read_u8(sub_scales, lane);
      out.min = -(read_f16(scales + f16_row, lane) * read_u8(sub_scales + place.blocks * group_rows, lane));
      return;
    }
    case Packing::q6_k: {
      const std::byte* sub_scales = second_part + place.inner * 2 * group_rows;
      out.scale[0] = read_f16(own, lane) * read_i8(sub_scales, lane);
      out.scale[1] = read_f16(own, lane) * read_i8(sub_scales + group_rows, lane);
      return;
    }
    case Packing::f16:
    case Packing::f32:
      return;
  }
}

void read_weights(const std::byte* weights, std::size_t block_bytes, std::uint8_t offset, std::size_t lane,
                  PackedBlock& out) {
  const bool nibbles = block_bytes == 4 * vector_bytes;
  for (std::size_t c = 0; c < block_columns; ++c) {
    const std::size_t column = nibbles ? c % (block_columns / 2) : c;
    const auto byte = std::to_integer<int>(weights[column / 4 * vector_bytes + lane * 4 + column % 4]);
    const int low_or_high = c == column ? byte & 0x0F : byte >> 4;
    out.q[c] = (nibbles ? low_or_high : byte) - offset;
  }
}

const std::byte* leaf_start(const PackedMatrix& matrix, std::size_t row, std::size_t leaf) {
  return matrix.data + row / group_rows * matrix.group_bytes + leaf * leaf_bytes(matrix.packing, matrix.leaf_columns);
}

}  // namespace

ChunkLayout chunk_layout(Packing packing) {
  switch (packing) {
    case Packing::q4:
      return layout_of<Packing::q4>;
    case Packing::q4_min:
      return layout_of<Packing::q4_min>;
    case Packing::q4_k:
      return layout_of<Packing::q4_k>;
    case Packing::q8:
      return layout_of<Packing::q8>;
    case Packing::q6_k:
      return layout_of<Packing::q6_k>;
    case Packing::f16:
      return layout_of<Packing::f16>;
    case Packing::f32:
      return layout_of<Packing::f32>;
  }
  return {};
}

std::size_t chunk_blocks(Packing packing, std::size_t leaf_columns) {
  return packing == Packing::q4_k && leaf_columns / block_columns % 2 != 0 ? 1 : 2;
}

BlockPlace place_of(Packing packing, std::size_t leaf_columns, std::size_t block) {
  const ChunkLayout layout = chunk_layout(packing);
  const std::size_t full = chunk_blocks(packing, leaf_columns);
  const std::size_t blocks = leaf_columns / block_columns;
  const std::size_t chunk = block / full;
  const std::size_t in_chunk = blocks - chunk * full < full ? blocks - chunk * full : full;
  const std::size_t full_bytes = layout.shared_scale_bytes + full * (layout.block_bytes + layout.block_scale_bytes);
  return {chunk * full_bytes, in_chunk, block % full};
}

std::size_t leaf_bytes(Packing packing, std::size_t leaf_columns) {
  const ChunkLayout layout = chunk_layout(packing);
  const std::size_t full = chunk_blocks(packing, leaf_columns);
  const std::size_t blocks = leaf_columns / block_columns;
  const std::size_t chunks = (blocks + full - 1) / full;
  return chunks * layout.shared_scale_bytes + blocks * (layout.block_bytes + layout.block_scale_bytes);
}

PackedBlock read_packed_block(const PackedMatrix& matrix, std::size_t row, std::size_t leaf, std::size_t block) {
  const ChunkLayout layout = chunk_layout(matrix.packing);
  const BlockPlace place = place_of(matrix.packing, matrix.leaf_columns, block);
  const std::byte* chunk = leaf_start(matrix, row, leaf) + place.chunk;
  PackedBlock out;
  read_weights(chunk + place.inner * layout.block_bytes, layout.block_bytes, matrix.offset, row % group_rows, out);
  read_scales(matrix.packing, chunk + place.blocks * layout.block_bytes, place, row % group_rows, out);
  return out;
}

void read_packed_floats(const PackedMatrix& matrix, std::size_t row, std::size_t leaf, std::size_t block, float* out) {
  const std::byte* weights = leaf_start(matrix, row, leaf) + block * chunk_layout(matrix.packing).block_bytes;
  for (std::size_t c = 0; c < block_columns; ++c) {
    const std::size_t element = c * group_rows + row % group_rows;
    if (matrix.packing == Packing::f16) {
      out[c] = read_f16(weights, element);
    } else {
      std::memcpy(&out[c], weights + element * sizeof(float), sizeof(float));
    }
  }
}

}  // namespace troupe::kernels
