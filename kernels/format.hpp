#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

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
