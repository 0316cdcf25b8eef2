#include "kernels/format.hpp"

#include <cstring>
#include <iterator>

#include "kernels/file_block.hpp"
#include "kernels/math.hpp"
#include "kernels/packing.hpp"

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

void widen_bf16(const std::byte* blocks, std::size_t columns, float* out) {
  for (std::size_t i = 0; i < columns; ++i) {
    std::uint16_t upper;
    std::memcpy(&upper, blocks + 2 * i, sizeof upper);
    out[i] = bf16_to_f32(upper);
  }
}

/// The scale of each half of a block and what is added to its columns; both are exact in float.
struct Affine {
  float scale[2], min[2];
};

Affine affine(const Packing& packing, const FileBlock& block) {
  constexpr float nothing = -0.0F;  // the number that changes no other one, +0 and -0 included, when added
  const float scale = packing.scales == ScaleKind::e8m0 ? half_of_e8m0(block.scale) : f16_to_f32(block.scale);
  const bool super = packing.scales >= ScaleKind::k32;
  Affine out{{scale, scale}, {nothing, nothing}};
  for (std::size_t half = 0; half < 2; ++half) {
    if (super) out.scale[half] = scale * block.sub_scale[half];
    if (!has_minimum(packing)) continue;
    const float min = f16_to_f32(block.min);
    out.min[half] = super ? -(min * block.sub_min[half]) : min;
  }
  return out;
}

template <Format format>
void dequantize(const std::byte* blocks, std::size_t columns, float* out) {
  constexpr Packing packing = packing_of(format);
  for (std::size_t b = 0; b < columns / block_columns; ++b) {
    FileBlock block;
    read_block(format, blocks, b, block);
    const Affine a = affine(packing, block);
    for (std::size_t i = 0; i < block_columns; ++i) {
      const std::size_t half = i / (block_columns / 2);
      out[b * block_columns + i] = a.scale[half] * static_cast<float>(weight_of(packing, block.q[i])) + a.min[half];
    }
  }
}

constexpr FormatInfo formats[] = {
    {Format::f32, "F32", 0, 1, 4, copy_f32},
    {Format::f16, "F16", 1, 1, 2, widen_f16},
    {Format::q4_0, "Q4_0", 2, 32, 18, dequantize<Format::q4_0>},
    {Format::q4_1, "Q4_1", 3, 32, 20, dequantize<Format::q4_1>},
    {Format::q5_0, "Q5_0", 6, 32, 22, dequantize<Format::q5_0>},
    {Format::q5_1, "Q5_1", 7, 32, 24, dequantize<Format::q5_1>},
    {Format::q8_0, "Q8_0", 8, 32, 34, dequantize<Format::q8_0>},
    {Format::q2_k, "Q2_K", 10, 256, 84, dequantize<Format::q2_k>},
    {Format::q3_k, "Q3_K", 11, 256, 110, dequantize<Format::q3_k>},
    {Format::q4_k, "Q4_K", 12, 256, 144, dequantize<Format::q4_k>},
    {Format::q5_k, "Q5_K", 13, 256, 176, dequantize<Format::q5_k>},
    {Format::q6_k, "Q6_K", 14, 256, 210, dequantize<Format::q6_k>},
    {Format::iq4_nl, "IQ4_NL", 20, 32, 18, dequantize<Format::iq4_nl>},
    {Format::iq4_xs, "IQ4_XS", 23, 256, 136, dequantize<Format::iq4_xs>},
    {Format::bf16, "BF16", 30, 1, 2, widen_bf16},
    {Format::mxfp4, "MXFP4", 39, 32, 17, dequantize<Format::mxfp4>},
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
