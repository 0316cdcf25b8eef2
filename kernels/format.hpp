#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kernels/packing.hpp"

namespace troupe::kernels {

/// How the elements of a weight are stored in a model file (GGUF specification, ggml type names).
enum class Format : std::uint8_t {
  f32,
  f16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  bf16,
  mxfp4,
};

/// What the packed form of each is put together from, in their order.
inline constexpr Packing packings[] = {
    {floats, 0, Codebook::none, ScaleKind::none},              // F32
    {floats, 0, Codebook::none, ScaleKind::none},              // F16
    {nibbles, 8, Codebook::none, ScaleKind::f16},              // Q4_0
    {nibbles, 0, Codebook::none, ScaleKind::f16_min},          // Q4_1
    {nibbles_and_bit, 16, Codebook::none, ScaleKind::f16},     // Q5_0
    {nibbles_and_bit, 0, Codebook::none, ScaleKind::f16_min},  // Q5_1
    {whole_bytes, 128, Codebook::none, ScaleKind::f16},        // Q8_0
    {pairs, 0, Codebook::none, ScaleKind::k16_min},            // Q2_K
    {pairs_and_bit, 4, Codebook::none, ScaleKind::k16},        // Q3_K
    {nibbles, 0, Codebook::none, ScaleKind::k32_min},          // Q4_K
    {nibbles_and_bit, 0, Codebook::none, ScaleKind::k32_min},  // Q5_K
    {nibbles_and_pair, 32, Codebook::none, ScaleKind::k16},    // Q6_K
    {nibbles, 128, Codebook::iq4, ScaleKind::f16},             // IQ4_NL
    {nibbles, 128, Codebook::iq4, ScaleKind::k32},             // IQ4_XS
    {floats, 0, Codebook::none, ScaleKind::none},              // BF16
    {nibbles, 16, Codebook::fp4, ScaleKind::e8m0},             // MXFP4
};

[[nodiscard]] constexpr const Packing& packing_of(Format format) { return packings[static_cast<std::size_t>(format)]; }

struct FormatInfo {
  Format format;
  std::string_view name;        ///< as model files and people write it: "Q4_0"
  std::uint32_t gguf_type;      ///< the number that GGUF files use
  std::uint32_t block_columns;  ///< elements of a row that share a block header: 1, 32 or 256
  std::uint32_t block_bytes;
  /// Decodes `columns` elements (a multiple of block_columns), exactly as the format defines, in float.
  void (*dequantize)(const std::byte* blocks, std::size_t columns, float* out);
};

[[nodiscard]] std::span<const FormatInfo> all_formats();
[[nodiscard]] const FormatInfo& info(Format format);
[[nodiscard]] std::optional<Format> format_of_gguf_type(std::uint32_t type);

/// What ggml calls a type, known here or not: "Q5_K"; empty where it has none of that number.
[[nodiscard]] std::string_view name_of_gguf_type(std::uint32_t type);

/// Bytes of one row. Precondition: `columns` is a multiple of the format's block_columns.
[[nodiscard]] inline std::size_t row_bytes(Format format, std::size_t columns) {
  return columns / info(format).block_columns * info(format).block_bytes;
}

}  // namespace troupe::kernels
