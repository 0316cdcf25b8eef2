#include "kernels/packed_chunk.hpp"

#include <cstring>

#include "kernels/math.hpp"

namespace troupe::kernels {
namespace {

constexpr std::size_t vector_bytes = 64;
constexpr std::size_t f16_row = group_rows * sizeof(std::uint16_t);

std::uint16_t read_u16(const std::byte* at, std::size_t lane) {
  std::uint16_t value;
  std::memcpy(&value, at + lane * sizeof value, sizeof value);
  return value;
}

float read_f16(const std::byte* at, std::size_t lane) { return f16_to_f32(read_u16(at, lane)); }
unsigned read_u8(const std::byte* at, std::size_t lane) { return std::to_integer<unsigned>(at[lane]); }
int read_i8(const std::byte* at, std::size_t lane) { return static_cast<std::int8_t>(at[lane]); }

void set_both(float (&parts)[2], float value) { parts[0] = parts[1] = value; }

/// Of k kinds: d, dmin and, behind them, rows of sub-scales.
void read_sub_scales(ScaleKind kind, const std::byte* scales, const BlockPlace& place, std::size_t lane,
                     PackedBlock& out) {
  const float d = read_f16(scales, lane);
  const bool halves = kind == ScaleKind::k16 || kind == ScaleKind::k16_min;
  for (std::size_t part = 0; part < 2; ++part) {
    const std::size_t row = (halves ? place.inner * 2 + part : place.inner) * group_rows;
    if (kind == ScaleKind::k32 || kind == ScaleKind::k16) {
      out.scale[part] = d * static_cast<float>(read_i8(scales + f16_row + row, lane));
      continue;
    }
    const float dmin = read_f16(scales + f16_row, lane);
    unsigned scale = read_u8(scales + 2 * f16_row + row, lane);
    unsigned min = scale >> 4;
    if (halves) {
      scale &= 0x0F;
    } else {
      min = read_u8(scales + 2 * f16_row + place.blocks * group_rows + row, lane);
    }
    out.scale[part] = d * static_cast<float>(scale);
    out.min[part] = -(dmin * static_cast<float>(min));
  }
}

void read_scales(ScaleKind kind, const std::byte* scales, const BlockPlace& place, std::size_t lane, PackedBlock& out) {
  set_both(out.min, 0.0F);
  switch (kind) {
    case ScaleKind::f16_min:
      set_both(out.min, read_f16(scales + (place.blocks + place.inner) * f16_row, lane));
      [[fallthrough]];
    case ScaleKind::f16:
      return set_both(out.scale, read_f16(scales + place.inner * f16_row, lane));
    case ScaleKind::e8m0:
      return set_both(out.scale, half_of_e8m0(read_u8(scales + place.inner * group_rows, lane)));
    case ScaleKind::k32:
    case ScaleKind::k32_min:
    case ScaleKind::k16:
    case ScaleKind::k16_min:
      return read_sub_scales(kind, scales, place, lane, out);
    case ScaleKind::none:
      return;
  }
}

/// The bits of one column in a plane.
unsigned read_bits(const std::byte* plane, std::size_t bits, std::size_t lane, std::size_t column) {
  const std::size_t place = column / 4 * bits;
  return read_u8(plane, place / 8 * vector_bytes + lane * 4 + column % 4) >> place % 8 & ((1U << bits) - 1);
}

void read_weights(const Packing& packing, const std::byte* weights, std::size_t lane, PackedBlock& out) {
  const Planes planes = packing.planes;
  for (std::size_t c = 0; c < block_columns; ++c) {
    const unsigned low = read_bits(weights, planes.low, lane, c);
    const unsigned high = planes.high > 0 ? read_bits(weights + planes.low * vector_bytes, planes.high, lane, c) : 0;
    out.q[c] = weight_of(packing, static_cast<std::uint8_t>(low | high << planes.low));
  }
}

const std::byte* leaf_start(const PackedMatrix& matrix, std::size_t row, std::size_t leaf) {
  return matrix.data + row / group_rows * matrix.group_bytes + leaf * leaf_bytes(matrix.format, matrix.leaf_columns);
}

}  // namespace

bool leaf_starts_odd(const PackedMatrix& matrix, std::size_t leaf) {
  return matrix.starts_odd != (matrix.leaf_columns / block_columns * leaf % 2 != 0);
}

BlockPlace place_of(const PackedMatrix& matrix, std::size_t leaf, std::size_t block) {
  const ChunkLayout layout = layout_of(matrix.format);
  const std::size_t missing = leaf_starts_odd(matrix, leaf) ? 1 : 0;  // of the first pair
  const std::size_t end = matrix.leaf_columns / block_columns + missing;
  const std::size_t chunk = (block + missing) / 2;
  const std::size_t first = chunk == 0 ? missing : 2 * chunk;
  const std::size_t before = chunk * layout.shared_scale_bytes +
                             (chunk == 0 ? 0 : first - missing) * (layout.block_bytes + layout.block_scale_bytes);
  const std::size_t last = 2 * chunk + 2 < end ? 2 * chunk + 2 : end;
  return {before, last - first, block + missing - first};
}

std::size_t leaf_bytes(Format format, std::size_t leaf_columns) {
  if (packing_of(format).planes == floats) return leaf_columns * float_column_bytes(format);
  const ChunkLayout layout = layout_of(format);
  const std::size_t blocks = leaf_columns / block_columns;
  return blocks / 2 * layout.chunk_bytes(2) + (blocks % 2 != 0 ? layout.chunk_bytes(1) : 0);
}

PackedBlock read_packed_block(const PackedMatrix& matrix, std::size_t row, std::size_t leaf, std::size_t block) {
  const Packing& packing = packing_of(matrix.format);
  const ChunkLayout layout = layout_of(matrix.format);
  const BlockPlace place = place_of(matrix, leaf, block);
  const std::byte* chunk = leaf_start(matrix, row, leaf) + place.chunk;
  PackedBlock out;
  read_weights(packing, chunk + place.inner * layout.block_bytes, row % group_rows, out);
  read_scales(packing.scales, chunk + place.blocks * layout.block_bytes, place, row % group_rows, out);
  return out;
}

float read_packed_float(const PackedMatrix& matrix, std::size_t row, std::size_t column) {
  const std::byte* at =
      matrix.data + row / group_rows * matrix.group_bytes + column * float_column_bytes(matrix.format);
  const std::size_t lane = row % group_rows;
  if (matrix.format == Format::f16) return read_f16(at, lane);
  if (matrix.format == Format::bf16) return bf16_to_f32(read_u16(at, lane));
  float value;
  std::memcpy(&value, at + lane * sizeof value, sizeof value);
  return value;
}

}  // namespace troupe::kernels
