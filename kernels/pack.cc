#include <algorithm>
#include <cstring>

#include "kernels/file_block.hpp"
#include "kernels/packed.hpp"
#include "kernels/packed_chunk.hpp"

namespace troupe::kernels {
namespace {

constexpr std::size_t f16_row = group_rows * sizeof(std::uint16_t);

/// Where one row of one block goes: its lane of the weights, and the chunk's scales.
struct Target {
  std::byte* weights;
  std::byte* scales;
  BlockPlace place;
  std::size_t lane;

  void put_f16(std::size_t row, std::uint16_t half) const {
    std::memcpy(scales + row * f16_row + lane * sizeof half, &half, sizeof half);
  }
};

void put_nibbles(const FileBlock& block, const Target& to) {
  for (std::size_t i = 0; i < block_columns / 2; ++i) {
    const int byte = block.q[i] | block.q[i + block_columns / 2] << 4;
    to.weights[i / 4 * 64 + to.lane * 4 + i % 4] = static_cast<std::byte>(byte);
  }
}

void put_bytes(const FileBlock& block, const Target& to) {
  for (std::size_t i = 0; i < block_columns; i += 4) std::memcpy(to.weights + i * 16 + to.lane * 4, block.q + i, 4);
}

void put_q4_k_scales(const FileBlock& block, const Target& to) {
  to.put_f16(0, block.scale);
  to.put_f16(1, block.min);
  std::byte* sub_scales = to.scales + 2 * f16_row + to.place.inner * group_rows;
  sub_scales[to.lane] = static_cast<std::byte>(block.sub_scale[0]);
  sub_scales[to.place.blocks * group_rows + to.lane] = static_cast<std::byte>(block.sub_min);
}

void put_q6_k_scales(const FileBlock& block, const Target& to) {
  to.put_f16(to.place.inner, block.scale);
  std::byte* sub_scales = to.scales + to.place.blocks * f16_row + to.place.inner * 2 * group_rows;
  sub_scales[to.lane] = static_cast<std::byte>(block.sub_scale[0]);
  sub_scales[group_rows + to.lane] = static_cast<std::byte>(block.sub_scale[1]);
}

void put_block(Packing packing, const FileBlock& block, const Target& to) {
  switch (packing) {
    case Packing::q4:
      put_nibbles(block, to);
      to.put_f16(to.place.inner, block.scale);
      return;
    case Packing::q4_min:
      put_nibbles(block, to);
      to.put_f16(to.place.inner, block.scale);
      to.put_f16(to.place.blocks + to.place.inner, block.min);
      return;
    case Packing::q4_k:
      put_nibbles(block, to);
      put_q4_k_scales(block, to);
      return;
    case Packing::q8:
      put_bytes(block, to);
      to.put_f16(to.place.inner, block.scale);
      return;
    case Packing::q6_k:
      put_bytes(block, to);
      put_q6_k_scales(block, to);
      return;
    case Packing::f16:
    case Packing::f32:
      return;
  }
}

/// f16 and f32: the file's elements, 16 rows interleaved.
void put_floats(const std::byte* row, std::size_t block, std::size_t element_bytes, const Target& to) {
  const std::byte* from = row + block * block_columns * element_bytes;
  for (std::size_t c = 0; c < block_columns; ++c) {
    std::memcpy(to.weights + (c * group_rows + to.lane) * element_bytes, from + c * element_bytes, element_bytes);
  }
}

/// One row's part of one leaf; `leaf` is where that leaf of the row's group starts.
void pack_leaf(const PackSource& source, const PackedMatrix& matrix, std::size_t row, std::size_t first_column,
               std::byte* leaf) {
  const ChunkLayout layout = chunk_layout(matrix.packing);
  const std::byte* file_row =
      source.tensor + (source.first_row + row) * row_bytes(source.format, source.tensor_columns);
  for (std::size_t b = 0; b < matrix.leaf_columns / block_columns; ++b) {
    const BlockPlace place = place_of(matrix.packing, matrix.leaf_columns, b);
    std::byte* chunk = leaf + place.chunk;
    const Target to{chunk + place.inner * layout.block_bytes, chunk + place.blocks * layout.block_bytes, place,
                    row % group_rows};
    const std::size_t file_block = first_column / block_columns + b;
    if (source.format == Format::f16 || source.format == Format::f32) {
      put_floats(file_row, file_block, info(source.format).block_bytes, to);
      continue;
    }
    FileBlock block;
    read_block(source.format, file_row, file_block, block);
    put_block(matrix.packing, block, to);
  }
}

}  // namespace

PackedMatrix packed_layout(const PackSource& source) {
  const FormatInfo& format = info(source.format);
  return {.packing = format.packing,
          .offset = format.offset,
          .rows = source.rows,
          .leaves = source.leaves,
          .leaf_columns = source.leaf_columns,
          .group_bytes = source.leaves * leaf_bytes(format.packing, source.leaf_columns),
          .data = nullptr};
}

void pack(const PackSource& source, std::size_t first_group, std::size_t last_group, std::byte* data) {
  const PackedMatrix matrix = packed_layout(source);
  const std::size_t bytes = leaf_bytes(matrix.packing, matrix.leaf_columns);
  for (std::size_t group = first_group; group < last_group; ++group) {
    std::byte* start = data + group * matrix.group_bytes;
    const std::size_t rows = std::min<std::size_t>(group_rows, matrix.rows - group * group_rows);
    if (rows < group_rows) std::memset(start, 0, matrix.group_bytes);
    for (std::size_t leaf = 0; leaf < matrix.leaves; ++leaf) {
      const std::size_t first_column = source.first_column + leaf * std::size_t{matrix.leaf_columns};
      for (std::size_t lane = 0; lane < rows; ++lane) {
        pack_leaf(source, matrix, group * group_rows + lane, first_column, start + leaf * bytes);
      }
    }
  }
}

void unpack_row(const PackedMatrix& matrix, std::size_t row, float* out) {
  for (std::size_t leaf = 0; leaf < matrix.leaves; ++leaf) {
    for (std::size_t b = 0; b < matrix.leaf_columns / block_columns; ++b, out += block_columns) {
      if (matrix.packing == Packing::f16 || matrix.packing == Packing::f32) {
        read_packed_floats(matrix, row, leaf, b, out);
        continue;
      }
      const PackedBlock block = read_packed_block(matrix, row, leaf, b);
      for (std::size_t c = 0; c < block_columns; ++c) {
        out[c] = block.scale[c / (block_columns / 2)] * static_cast<float>(block.q[c]) + block.min;
      }
    }
  }
}

}  // namespace troupe::kernels
