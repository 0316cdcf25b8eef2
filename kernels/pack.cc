#include <algorithm>
#include <cstring>

#include "kernels/file_block.hpp"
#include "kernels/packed.hpp"
#include "kernels/packed_chunk.hpp"

namespace troupe::kernels {
namespace {

constexpr std::size_t vector_bytes = 64;

/// Where one row of one block goes: its lane of the weights, and the chunk's scales.
struct Target {
  std::byte* weights;
  std::byte* scales;
  BlockPlace place;
  std::size_t lane;

  /// Rows of 16 numbers of two bytes or one, counted from the first scale.
  void put_f16(std::size_t row, std::uint16_t half) const {
    std::memcpy(scales + (row * group_rows + lane) * sizeof half, &half, sizeof half);
  }
  void put_byte(std::size_t row, int byte) const { scales[row * group_rows + lane] = static_cast<std::byte>(byte); }
};

/// The `bits` bits from bit `from` of every weight: see ChunkLayout.
void put_plane(const FileBlock& block, unsigned from, unsigned bits, std::byte* plane, std::size_t lane) {
  const std::uint32_t mask = ((1U << bits) - 1) * 0x01010101U;
  const std::uint8_t* four = block.q;
  for (unsigned vector = 0; vector < bits; ++vector) {
    std::uint32_t packed = 0;
    for (unsigned at = 0; at < 8; at += bits, four += 4) {
      std::uint32_t weights;
      std::memcpy(&weights, four, sizeof weights);
      packed |= (weights >> from & mask) << at;
    }
    std::memcpy(plane + vector * vector_bytes + lane * 4, &packed, sizeof packed);
  }
}

void put_weights(Planes planes, const FileBlock& block, const Target& to) {
  put_plane(block, 0, planes.low, to.weights, to.lane);
  if (planes.high > 0) put_plane(block, planes.low, planes.high, to.weights + planes.low * vector_bytes, to.lane);
}

void put_scales(ScaleKind kind, const FileBlock& block, const Target& to) {
  const std::size_t inner = to.place.inner, blocks = to.place.blocks;
  switch (kind) {
    case ScaleKind::f16_min:
      to.put_f16(blocks + inner, block.min);
      [[fallthrough]];
    case ScaleKind::f16:
      return to.put_f16(inner, block.scale);
    case ScaleKind::e8m0:
      return to.put_byte(inner, block.scale);
    case ScaleKind::k32:
      to.put_f16(0, block.scale);
      return to.put_byte(2 + inner, block.sub_scale[0]);
    case ScaleKind::k32_min:
      to.put_f16(0, block.scale);
      to.put_f16(1, block.min);
      to.put_byte(4 + inner, block.sub_scale[0]);
      return to.put_byte(4 + blocks + inner, block.sub_min[0]);
    case ScaleKind::k16:
      to.put_f16(0, block.scale);
      for (std::size_t half = 0; half < 2; ++half) to.put_byte(2 + inner * 2 + half, block.sub_scale[half]);
      return;
    case ScaleKind::k16_min:
      to.put_f16(0, block.scale);
      to.put_f16(1, block.min);
      for (std::size_t half = 0; half < 2; ++half) {
        to.put_byte(4 + inner * 2 + half, block.sub_scale[half] | block.sub_min[half] << 4);
      }
      return;
    case ScaleKind::none:
      return;
  }
}

/// `rows` rows of floating point, as the file's elements.
template <class Element>
void pack_floats(const PackSource& source, std::size_t first_row, std::size_t rows, std::byte* to) {
  const std::size_t row_bytes = source.tensor_columns * sizeof(Element);
  const std::size_t columns = std::size_t{source.leaves} * source.leaf_columns;
  const std::byte* from =
      source.tensor + (source.first_row + first_row) * row_bytes + source.first_column * sizeof(Element);
  for (std::size_t c = 0; c < columns; ++c, from += sizeof(Element), to += group_rows * sizeof(Element)) {
    for (std::size_t lane = 0; lane < rows; ++lane) {
      std::memcpy(to + lane * sizeof(Element), from + lane * row_bytes, sizeof(Element));
    }
  }
}

/// One row's part of one leaf; `to` is where that leaf of the row's group starts.
void pack_leaf(const PackSource& source, const PackedMatrix& matrix, std::size_t row, std::size_t leaf, std::byte* to) {
  const Packing& packing = packing_of(source.format);
  const ChunkLayout layout = layout_of(source.format);
  const std::size_t first_column = source.first_column + leaf * std::size_t{matrix.leaf_columns};
  const std::byte* file_row =
      source.tensor + (source.first_row + row) * row_bytes(source.format, source.tensor_columns);
  for (std::size_t b = 0; b < matrix.leaf_columns / block_columns; ++b) {
    const BlockPlace place = place_of(matrix, leaf, b);
    std::byte* chunk = to + place.chunk;
    const Target target{chunk + place.inner * layout.block_bytes, chunk + place.blocks * layout.block_bytes, place,
                        row % group_rows};
    const std::size_t file_block = first_column / block_columns + b;
    FileBlock block;
    read_block(source.format, file_row, file_block, block);
    put_weights(packing.planes, block, target);
    put_scales(packing.scales, block, target);
  }
}

}  // namespace

PackedMatrix packed_layout(const PackSource& source) {
  return {.format = source.format,
          .starts_odd = source.first_column / block_columns % 2 != 0,
          .rows = source.rows,
          .leaves = source.leaves,
          .leaf_columns = source.leaf_columns,
          .group_bytes = source.leaves * leaf_bytes(source.format, source.leaf_columns),
          .data = nullptr};
}

void pack(const PackSource& source, std::size_t first_group, std::size_t last_group, std::byte* data) {
  const PackedMatrix matrix = packed_layout(source);
  const std::size_t leaf_size = leaf_bytes(matrix.format, matrix.leaf_columns);
  for (std::size_t group = first_group; group < last_group; ++group) {
    std::byte* start = data + group * matrix.group_bytes;
    const std::size_t rows = std::min<std::size_t>(group_rows, matrix.rows - group * group_rows);
    if (rows < group_rows) std::memset(start, 0, matrix.group_bytes);
    if (packing_of(matrix.format).planes == floats) {
      const auto pack_rows = matrix.format == Format::f32 ? pack_floats<float> : pack_floats<std::uint16_t>;
      pack_rows(source, group * group_rows, rows, start);
      continue;
    }
    for (std::size_t leaf = 0; leaf < matrix.leaves; ++leaf) {
      for (std::size_t lane = 0; lane < rows; ++lane) {
        pack_leaf(source, matrix, group * group_rows + lane, leaf, start + leaf * leaf_size);
      }
    }
  }
}

void unpack_row(const PackedMatrix& matrix, std::size_t row, float* out) {
  if (packing_of(matrix.format).planes == floats) {
    for (std::size_t c = 0; c < matrix.columns(); ++c) out[c] = read_packed_float(matrix, row, c);
    return;
  }
  for (std::size_t leaf = 0; leaf < matrix.leaves; ++leaf) {
    for (std::size_t b = 0; b < matrix.leaf_columns / block_columns; ++b, out += block_columns) {
      const PackedBlock block = read_packed_block(matrix, row, leaf, b);
      for (std::size_t c = 0; c < block_columns; ++c) {
        const std::size_t half = c / (block_columns / 2);
        out[c] = block.scale[half] * static_cast<float>(block.q[c]) + block.min[half];
      }
    }
  }
}

}  // namespace troupe::kernels
