#include "kernels/file_block.hpp"

#include <cstring>

#include "kernels/super_block.hpp"

namespace troupe::kernels {
namespace {

constexpr std::size_t half_block = block_columns / 2;
constexpr std::size_t blocks_per_super_block = 8;

/// 16 bytes: low nibbles are columns 0..15, high nibbles 16..31.
void read_nibbles(const std::byte* at, std::uint8_t* q) {
  for (std::size_t i = 0; i < half_block; ++i) {
    const auto byte = std::to_integer<std::uint8_t>(at[i]);
    q[i] = byte & 0x0F;
    q[i + half_block] = byte >> 4;
  }
}

/// Four bytes of the columns' fifth bits, then their nibbles.
void read_five_bits(const std::byte* at, std::uint8_t* q) {
  std::uint32_t fifth_bits;
  std::memcpy(&fifth_bits, at, sizeof fifth_bits);
  read_nibbles(at + 4, q);
  for (std::size_t i = 0; i < block_columns; ++i) {
    q[i] = static_cast<std::uint8_t>(q[i] | ((fifth_bits >> i & 1U) << 4));
  }
}

void read_bytes(const std::byte* at, std::uint8_t* q) {
  for (std::size_t i = 0; i < block_columns; ++i) q[i] = std::to_integer<std::uint8_t>(at[i]) ^ 0x80;
}

}  // namespace

void read_block(Format format, const std::byte* row, std::size_t index, FileBlock& out) {
  const FormatInfo& format_info = info(format);
  const bool super = format_info.block_columns > block_columns;
  const std::byte* at = row + (super ? index / blocks_per_super_block : index) * format_info.block_bytes;
  const std::size_t inner = index % blocks_per_super_block;
  out.scale = read_u16(at);
  switch (format) {
    case Format::q4_0:
    case Format::iq4_nl:
      return read_nibbles(at + 2, out.q);
    case Format::q4_1:
      out.min = read_u16(at + 2);
      return read_nibbles(at + 4, out.q);
    case Format::q5_0:
      return read_five_bits(at + 2, out.q);
    case Format::q5_1:
      out.min = read_u16(at + 2);
      return read_five_bits(at + 4, out.q);
    case Format::q8_0:
      return read_bytes(at + 2, out.q);
    case Format::q2_k:
      return read_q2_k(at, inner, out);
    case Format::q3_k:
      return read_q3_k(at, inner, out);
    case Format::q4_k:
      return read_q4_k(at, inner, out);
    case Format::q5_k:
      return read_q5_k(at, inner, out);
    case Format::q6_k:
      return read_q6_k(at, inner, out);
    case Format::iq4_xs:
      read_nibbles(at + 8 + inner * half_block, out.q);
      return read_iq4_xs_scale(at, inner, out);
    case Format::mxfp4:
      out.scale = std::to_integer<std::uint16_t>(at[0]);
      return read_nibbles(at + 1, out.q);
    case Format::f32:
    case Format::f16:
    case Format::bf16:
      return;
  }
}

}  // namespace troupe::kernels
