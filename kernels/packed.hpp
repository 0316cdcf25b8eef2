#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

#include "kernels/format.hpp"
#include "kernels/packing.hpp"

namespace troupe::kernels {

/// Output rows that are interleaved, one to a lane, so that every vector width sums in the same order.
inline constexpr std::size_t group_rows = 16;

/// Fixed-point sums: bits after the point, and the largest magnitude a leaf may have (2^19).
inline constexpr int fixed_fraction_bits = 32;
inline constexpr float fixed_limit = 524288.0F;

/// A part of a weight matrix as one rank holds it: `rows` outputs by leaves * leaf_columns inputs.
/// A view; the bytes belong to whoever packed it.
///
/// The bytes are one linear stream: for each group of 16 rows, for each leaf, chunks of two 32-column blocks (see
/// kernels/packed_chunk.hpp). The blocks of a pair are the 2i-th and the next of the tensor's row, so that they share a
/// super-block; the first or the last chunk of a leaf with an odd number of blocks has one. Weights of floating point
/// lie column by column, 16 rows each, as the file stores them. Rows past `rows` decode as zeros.
struct PackedMatrix {
  Format format;
  bool starts_odd;  ///< the first leaf's first block is an odd one of the tensor's row: its first chunk has one block
  std::uint32_t rows;
  std::uint32_t leaves;        ///< 1 where the columns are not cut
  std::uint32_t leaf_columns;  ///< a multiple of 32, but for weights of floating point
  std::size_t group_bytes;     ///< bytes of one group of 16 rows
  const std::byte* data;       ///< 64-byte aligned, readable for `packed_padding` bytes past the end
  [[nodiscard]] std::size_t groups() const { return (rows + group_rows - 1) / group_rows; }
  [[nodiscard]] std::size_t columns() const { return std::size_t{leaves} * leaf_columns; }
};

/// A view of `count` groups of a matrix. Precondition: all of their rows are there.
[[nodiscard]] inline PackedMatrix groups_of(PackedMatrix matrix, std::size_t first, std::size_t count) {
  matrix.data += first * matrix.group_bytes;
  matrix.rows = static_cast<std::uint32_t>(count * group_rows);
  return matrix;
}

/// The part of a file's tensor to pack: rows [first_row, first_row + rows), leaves of leaf_columns each starting at
/// first_column. Preconditions: leaf_columns is a multiple of 32, but for weights of floating point, and first_column
/// of leaf_columns; the part lies inside the tensor.
struct PackSource {
  Format format;
  const std::byte* tensor;  ///< row 0, column 0
  std::uint32_t tensor_columns;
  std::uint32_t first_row, rows;
  std::uint32_t first_column, leaves, leaf_columns;
  auto operator<=>(const PackSource&) const = default;
};

inline constexpr std::size_t packed_padding = 64;

/// Describes the result of packing (data is null): what `inspect` counts and the loader allocates
/// (groups() * group_bytes + packed_padding).
[[nodiscard]] PackedMatrix packed_layout(const PackSource& source);

/// Writes groups [first_group, last_group) of the packed form to `data` (the start of group 0). Groups are independent,
/// so threads may share the work.
void pack(const PackSource& source, std::size_t first_group, std::size_t last_group, std::byte* data);

/// Decodes row `row` of a packed matrix, [columns()] floats: for tests and the plain kernels.
void unpack_row(const PackedMatrix& matrix, std::size_t row, float* out);

}  // namespace troupe::kernels
