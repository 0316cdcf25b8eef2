#include "kernels/format.hpp"

#include <cstring>
#include <iterator>

#include "kernels/file_block.hpp"
#include "kernels/math.hpp"

namespace troupe::kernels {
namespace {

void copy_f32(const std::byte* blocks, std::size_t columns, float* out) { std::memcpy(out, blocks, columns * 4); }

void widen_f16(const std::byte* blocks, std::size_t columns, float* out) {
  for (std::size_t i = 0; i < columns; ++i) {
    std::uint16_t half;
    std::memcpy(&half, blocks + 2 * i, sizeof half);
    out[i] = f16_to_f32(half);
  }
}

/// The scale of each half of a block and what is added to every column; both are exact in float.
struct Affine {
  float scale[2];
  float min;
};

constexpr float nothing = -0.0F;  // the number that changes no other one, +0 and -0 included, when added

Affine affine(Format format, const FileBlock& block) {
  const float scale = f16_to_f32(block.scale);
  switch (format) {
    case Format::q4_1:
      return {{scale, scale}, f16_to_f32(block.min)};
    case Format::q4_k:
      return {{scale * block.sub_scale[0], scale * block.sub_scale[1]}, -(f16_to_f32(block.min) * block.sub_min)};
    case Format::q6_k:
      return {{scale * block.sub_scale[0], scale * block.sub_scale[1]}, nothing};
    default:
      return {{scale, scale}, nothing};
  }
}

template <Format format>
void dequantize(const std::byte* blocks, std::size_t columns, float* out) {
  const int offset = info(format).offset;
  for (std::size_t b = 0; b < columns / block_columns; ++b) {
    FileBlock block;
    read_block(format, blocks, b, block);
    const Affine a = affine(format, block);
    for (std::size_t i = 0; i < block_columns; ++i) {
      const auto q = static_cast<float>(block.q[i] - offset);
      out[b * block_columns + i] = a.scale[i / (block_columns / 2)] * q + a.min;
    }
  }
}

constexpr FormatInfo formats[] = {
    {Format::f32, "F32", 0, 1, 4, 0, Packing::f32, copy_f32},
    {Format::f16, "F16", 1, 1, 2, 0, Packing::f16, widen_f16},
    {Format::q4_0, "Q4_0", 2, 32, 18, 8, Packing::q4, dequantize<Format::q4_0>},
    {Format::q4_1, "Q4_1", 3, 32, 20, 0, Packing::q4_min, dequantize<Format::q4_1>},
    {Format::q5_0, "Q5_0", 6, 32, 22, 16, Packing::q8, dequantize<Format::q5_0>},
    {Format::q8_0, "Q8_0", 8, 32, 34, 128, Packing::q8, dequantize<Format::q8_0>},
    {Format::q4_k, "Q4_K", 12, 256, 144, 0, Packing::q4_k, dequantize<Format::q4_k>},
    {Format::q6_k, "Q6_K", 14, 256, 210, 32, Packing::q6_k, dequantize<Format::q6_k>},
};

/// By number (ggml.h), with those that ggml has given up.
constexpr std::string_view gguf_types[] = {
    "F32",        "F16",        "Q4_0",       "Q4_1",  "Q4_2",     "Q4_3",     "Q5_0",     "Q5_1",    "Q8_0",
    "Q8_1",       "Q2_K",       "Q3_K",       "Q4_K",  "Q5_K",     "Q6_K",     "Q8_K",     "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS",    "IQ1_S",      "IQ4_NL",     "IQ3_S", "IQ2_S",    "IQ4_XS",   "I8",       "I16",     "I32",
    "I64",        "F64",        "IQ1_M",      "BF16",  "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0",
    "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4", "NVFP4",    "Q1_0",     "Q2_0",
};

}  // namespace

std::span<const FormatInfo> all_formats() { return formats; }

const FormatInfo& info(Format format) { return formats[static_cast<std::size_t>(format)]; }

std::optional<Format> format_of_gguf_type(std::uint32_t type) {
  for (const FormatInfo& candidate : formats) {
    if (candidate.gguf_type == type) return candidate.format;
  }
  return std::nullopt;
}

std::string_view name_of_gguf_type(std::uint32_t type) {
  return type < std::size(gguf_types) ? gguf_types[type] : std::string_view();
}

}  // namespace troupe::kernels
