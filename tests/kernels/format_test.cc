#include "kernels/format.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/packed.hpp"
#include "kernels/packing.hpp"
#include "tests/kernels/random_tensor.hpp"

namespace troupe::kernels::test {
namespace {

std::uint64_t fnv1a(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  return hash;
}

std::vector<float> dequantized(Format format, const std::byte* row, std::size_t columns) {
  std::vector<float> out(columns);
  info(format).dequantize(row, columns, out.data());
  return out;
}

/// A part of a random tensor, packed, against the same part of the dequantised tensor.
void check_pack(Format format, std::uint32_t first_row, std::uint32_t rows, std::uint32_t first_column,
                std::uint32_t leaves, std::uint32_t leaf_columns) {
  CAPTURE(info(format).name, first_row, rows, first_column, leaves, leaf_columns);
  Random random(first_row + rows);
  const std::uint32_t columns = (first_column + leaves * leaf_columns + 255) / 256 * 256;
  const std::vector<std::byte> tensor = random_tensor(random, format, first_row + rows + 1, columns, Scales::any);
  const Packed packed({.format = format,
                       .tensor = tensor.data(),
                       .tensor_columns = columns,
                       .first_row = first_row,
                       .rows = rows,
                       .first_column = first_column,
                       .leaves = leaves,
                       .leaf_columns = leaf_columns});
  REQUIRE(packed.matrix().columns() == leaves * leaf_columns);

  std::vector<float> unpacked(packed.matrix().columns());
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::vector<float> whole =
        dequantized(format, tensor.data() + (first_row + row) * row_bytes(format, columns), columns);
    unpack_row(packed.matrix(), row, unpacked.data());
    REQUIRE(unpacked ==
            std::vector<float>(whole.begin() + first_column, whole.begin() + first_column + unpacked.size()));
  }
  for (std::size_t row = rows; row < packed.matrix().groups() * group_rows; ++row) {
    unpack_row(packed.matrix(), row, unpacked.data());
    REQUIRE(unpacked == std::vector<float>(unpacked.size(), 0.0F));
  }
}

TEST_CASE("formats are decoded as ggml defines them", "[kernels][format]") {
  // Hashes of what the gguf package's dequantize makes of the same bytes.
  const auto [format, expected] = GENERATE(table<Format, std::uint64_t>({{Format::bf16, 0x67e7674f362618e6},
                                                                         {Format::f16, 0x29ffcc032f7bd6a2},
                                                                         {Format::q4_0, 0x28ebf4981f0a8504},
                                                                         {Format::q4_1, 0xd4818820e19eabbd},
                                                                         {Format::q5_0, 0xc64236daa06d3683},
                                                                         {Format::q5_1, 0x4e57a1380e10f90c},
                                                                         {Format::q8_0, 0x410f2f87e54a8924},
                                                                         {Format::q2_k, 0xf58725f0d7a6c887},
                                                                         {Format::q3_k, 0x537ef40d8ceee792},
                                                                         {Format::q4_k, 0xbea650a32b1a6da5},
                                                                         {Format::q5_k, 0x93cb007cdbfa009b},
                                                                         {Format::q6_k, 0x95798490a52e7dfa},
                                                                         {Format::iq4_nl, 0x8ccc6053ce439656},
                                                                         {Format::iq4_xs, 0x6ae8ff6b0ee35c91},
                                                                         {Format::mxfp4, 0xf92f714958009de4}}));
  Random random(info(format).gguf_type);
  const std::vector<std::byte> tensor = random_tensor(random, format, 3, 1024, Scales::below_two);
  const std::vector<float> values = dequantized(format, tensor.data(), 3 * 1024);
  CAPTURE(info(format).name);
  CHECK(fnv1a(std::as_bytes(std::span(values))) == expected);
}

TEST_CASE("F32 is copied", "[kernels][format]") {
  const float values[] = {1.5F, -0.0F, 1e-42F};
  const std::vector<float> out = dequantized(Format::f32, reinterpret_cast<const std::byte*>(values), 3);
  CHECK(std::memcmp(out.data(), values, sizeof values) == 0);
}

TEST_CASE("the smallest and the largest scale of MXFP4", "[kernels][format]") {
  std::byte block[17] = {};
  block[1] = std::byte{0x1F};  // column 0: -6, column 16: 1/2
  const auto first = [&](unsigned exponent) {
    block[0] = static_cast<std::byte>(exponent);
    return dequantized(Format::mxfp4, block, 32)[16];
  };
  CHECK(first(0) == 0x1p-128F);
  CHECK(first(1) == 0x1p-127F);
  CHECK(first(2) == 0x1p-126F);
  CHECK(first(255) == 0x1p127F);
  block[0] = std::byte{127};
  CHECK(dequantized(Format::mxfp4, block, 32)[0] == -6.0F);
}

TEST_CASE("formats are found by the number that GGUF files use", "[kernels][format]") {
  for (const Format format : every_format) {
    CHECK(info(format).format == format);
    CHECK(format_of_gguf_type(info(format).gguf_type) == format);
    CHECK(name_of_gguf_type(info(format).gguf_type) == info(format).name);
  }
  CHECK(all_formats().size() == std::size(packings));
  CHECK_FALSE(format_of_gguf_type(4).has_value());
  CHECK_FALSE(format_of_gguf_type(0xFFFFFFFF).has_value());
  CHECK(name_of_gguf_type(30) == "BF16");
  CHECK(name_of_gguf_type(0xFFFFFFFF).empty());
}

TEST_CASE("a row's bytes follow from the format", "[kernels][format]") {
  CHECK(row_bytes(Format::f32, 3) == 12);
  CHECK(row_bytes(Format::q4_0, 64) == 36);
  CHECK(row_bytes(Format::q6_k, 512) == 420);
}

TEST_CASE("packing loses nothing", "[kernels][pack]") {
  for (const Format format : every_format) {
    check_pack(format, 0, 16, 0, 1, 256);
    check_pack(format, 0, 33, 0, 1, 576);
    check_pack(format, 3, 17, 64, 9, 64);
    check_pack(format, 5, 1, 32, 1, 32);
    check_pack(format, 1, 15, 96, 3, 96);
    check_pack(format, 0, 2, 0, 8, 704);
    check_pack(format, 0, 16, 864, 3, 288);
  }
}

TEST_CASE("packed weights take little more than the file's, an odd number of blocks in a leaf or not",
          "[kernels][pack]") {
  for (const Format format : every_format) {
    CAPTURE(info(format).name);
    for (const auto& [leaves, leaf_columns] : {std::pair{1U, 2048U}, {8U, 704U}, {8U, 1376U}}) {
      const std::uint32_t columns = leaves * leaf_columns;
      const auto in_file = static_cast<double>(row_bytes(format, columns) * 16);
      const PackedMatrix matrix = packed_layout({format, nullptr, columns, 0, 16, 0, leaves, leaf_columns});
      CHECK(static_cast<double>(matrix.group_bytes) <= 1.15 * in_file);
    }
  }
}

TEST_CASE("groups may be packed in any order", "[kernels][pack]") {
  Random random(1);
  for (const Format format : every_format) {
    const std::vector<std::byte> tensor = random_tensor(random, format, 40, 256, Scales::any);
    const PackSource source{.format = format,
                            .tensor = tensor.data(),
                            .tensor_columns = 256,
                            .first_row = 0,
                            .rows = 40,
                            .first_column = 0,
                            .leaves = 2,
                            .leaf_columns = 128};
    const PackedMatrix matrix = packed_layout(source);
    std::vector<std::byte> whole(matrix.groups() * matrix.group_bytes), parts(whole.size());
    pack(source, 0, 3, whole.data());
    pack(source, 2, 3, parts.data());
    pack(source, 0, 2, parts.data());
    CHECK(whole == parts);
  }
}

}  // namespace
}  // namespace troupe::kernels::test
