#include "kernels/file_block.hpp"

#include <cstring>

namespace troupe::kernels {
namespace {

constexpr std::size_t half_block = block_columns / 2;
constexpr std::size_t blocks_per_super_block = 8;

std::uint16_t read_u16(const std::byte* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// 16 bytes: low nibbles are columns 0..15, high nibbles 16..31.
void read_nibbles(const std::byte* at, std::uint8_t* q) {
  for (std::size_t i = 0; i < half_block; ++i) {
    const auto byte = std::to_integer<std::uint8_t>(at[i]);
    q[i] = byte & 0x0F;
    q[i + half_block] = byte >> 4;
  }
}

void read_q4_0(const std::byte* at, FileBlock& out) {
  out.scale = read_u16(at);
  read_nibbles(at + 2, out.q);
}

void read_q4_1(const std::byte* at, FileBlock& out) {
  out.scale = read_u16(at);
  out.min = read_u16(at + 2);
  read_nibbles(at + 4, out.q);
}

void read_q5_0(const std::byte* at, FileBlock& out) {
  out.scale = read_u16(at);
  std::uint32_t fifth_bits;
  std::memcpy(&fifth_bits, at + 2, sizeof fifth_bits);
  read_nibbles(at + 6, out.q);
  for (std::size_t i = 0; i < block_columns; ++i) {
    out.q[i] = static_cast<std::uint8_t>(out.q[i] | ((fifth_bits >> i & 1U) << 4));
  }
}

void read_q8_0(const std::byte* at, FileBlock& out) {
  out.scale = read_u16(at);
  for (std::size_t i = 0; i < block_columns; ++i) out.q[i] = std::to_integer<std::uint8_t>(at[2 + i]) ^ 0x80;
}

/// d, dmin, 12 bytes of 6-bit scales and minima of eight blocks, 128 bytes of nibbles (a pair of blocks in 32 bytes).
void read_q4_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  out.scale = read_u16(super_block);
  out.min = read_u16(super_block + 2);
  const auto packed = [&](std::size_t i) { return std::to_integer<unsigned>(super_block[4 + i]); };
  unsigned scale = packed(block) & 63;
  unsigned min = packed(block + 4) & 63;
  if (block >= 4) {
    scale = (packed(block + 4) & 0x0F) | (packed(block - 4) >> 6 << 4);
    min = (packed(block + 4) >> 4) | (packed(block) >> 6 << 4);
  }
  out.sub_scale[0] = out.sub_scale[1] = static_cast<std::int8_t>(scale);
  out.sub_min = static_cast<std::uint8_t>(min);
  const std::byte* nibbles = super_block + 16 + block / 2 * block_columns;
  for (std::size_t i = 0; i < block_columns; ++i) {
    out.q[i] = std::to_integer<std::uint8_t>(nibbles[i] >> (block % 2 * 4) & std::byte{0x0F});
  }
}

/// 128 bytes of low nibbles, 64 of upper bit pairs, 16 scales of 16 columns each, d. Each half of 128 columns: the low
/// nibbles of 64 bytes are its first two blocks, the high nibbles the other two.
void read_q6_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  const std::size_t half = block / 4;
  const std::size_t quarter = block % 4;
  const std::byte* low = super_block + half * 64 + quarter % 2 * block_columns;
  const std::byte* high = super_block + 128 + half * block_columns;
  for (std::size_t i = 0; i < block_columns; ++i) {
    const std::byte nibble = low[i] >> (quarter / 2 * 4) & std::byte{0x0F};
    const std::byte pair = high[i] >> (quarter * 2) & std::byte{0x03};
    out.q[i] = std::to_integer<std::uint8_t>(nibble | pair << 4);
  }
  std::memcpy(out.sub_scale, super_block + 192 + block * 2, 2);
  out.scale = read_u16(super_block + 208);
}

}  // namespace

void read_block(Format format, const std::byte* row, std::size_t index, FileBlock& out) {
  const FormatInfo& format_info = info(format);
  const std::size_t blocks_per_header = format_info.block_columns / block_columns;
  const std::byte* at =
      row + (blocks_per_header > 1 ? index / blocks_per_super_block : index) * format_info.block_bytes;
  const std::size_t inner = index % blocks_per_super_block;
  switch (format) {
    case Format::q4_0:
      return read_q4_0(at, out);
    case Format::q4_1:
      return read_q4_1(at, out);
    case Format::q5_0:
      return read_q5_0(at, out);
    case Format::q8_0:
      return read_q8_0(at, out);
    case Format::q4_k:
      return read_q4_k(at, inner, out);
    case Format::q6_k:
      return read_q6_k(at, inner, out);
    case Format::f32:
    case Format::f16:
      return;
  }
}

}  // namespace troupe::kernels
