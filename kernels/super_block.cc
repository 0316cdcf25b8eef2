#include "kernels/super_block.hpp"

#include <cstring>

namespace troupe::kernels {
namespace {

unsigned byte_at(const std::byte* at, std::size_t i) { return std::to_integer<unsigned>(at[i]); }

/// Puts `bits` bits of each of 32 bytes, from bit `from` on, at bit `to` of the weights.
void add_bits(const std::byte* at, std::size_t from, std::size_t bits, std::size_t to, std::uint8_t* q) {
  const unsigned mask = (1U << bits) - 1;
  for (std::size_t i = 0; i < block_columns; ++i) {
    q[i] = static_cast<std::uint8_t>(q[i] | (byte_at(at, i) >> from & mask) << to);
  }
}

void set_bits(const std::byte* at, std::size_t from, std::size_t bits, std::uint8_t* q) {
  std::memset(q, 0, block_columns);
  add_bits(at, from, bits, 0, q);
}

/// 64 bytes of bit pairs. Each half of 128 columns has 32 of them, and each of its four blocks two bits of every byte.
void read_pairs(const std::byte* at, std::size_t block, std::uint8_t* q) {
  set_bits(at + block / 4 * block_columns, block % 4 * 2, 2, q);
}

/// 128 bytes of nibbles: a pair of blocks in 32 bytes, the first one low.
void read_nibbles(const std::byte* at, std::size_t block, std::uint8_t* q) {
  set_bits(at + block / 2 * block_columns, block % 2 * 4, 4, q);
}

/// d, dmin, 12 bytes of 6-bit scales and minima of eight blocks.
void read_six_bit_scales(const std::byte* at, std::size_t block, FileBlock& out) {
  out.scale = read_u16(at);
  out.min = read_u16(at + 2);
  const std::byte* packed = at + 4;
  unsigned scale = byte_at(packed, block) & 63;
  unsigned min = byte_at(packed, block + 4) & 63;
  if (block >= 4) {
    scale = (byte_at(packed, block + 4) & 0x0F) | (byte_at(packed, block - 4) >> 6 << 4);
    min = (byte_at(packed, block + 4) >> 4) | (byte_at(packed, block) >> 6 << 4);
  }
  out.sub_scale[0] = out.sub_scale[1] = static_cast<std::int8_t>(scale);
  out.sub_min[0] = out.sub_min[1] = static_cast<std::uint8_t>(min);
}

}  // namespace

/// 16 bytes of a 4-bit scale and a 4-bit minimum for 16 columns each, 64 bytes of pairs, d, dmin.
void read_q2_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  read_pairs(super_block + 16, block, out.q);
  out.scale = read_u16(super_block + 80);
  out.min = read_u16(super_block + 82);
  for (std::size_t half = 0; half < 2; ++half) {
    const unsigned both = byte_at(super_block, block * 2 + half);
    out.sub_scale[half] = static_cast<std::int8_t>(both & 0x0F);
    out.sub_min[half] = static_cast<std::uint8_t>(both >> 4);
  }
}

/// 32 bytes of third bits (a block one bit of every byte), 64 of pairs, 12 of 16 scales of six bits (plus 32), d. Of
/// the scales, the low nibbles of eight bytes are the first eight's lower bits, the high ones the others'; of the last
/// four bytes, the i-th has the upper bits of scales i, i + 4, i + 8 and i + 12.
void read_q3_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  read_pairs(super_block + 32, block, out.q);
  add_bits(super_block, block, 1, 2, out.q);
  out.scale = read_u16(super_block + 108);
  const std::byte* scales = super_block + 96;
  for (std::size_t half = 0; half < 2; ++half) {
    const std::size_t i = block * 2 + half;
    const unsigned low = byte_at(scales, i % 8) >> (i / 8 * 4) & 0x0F;
    const unsigned high = byte_at(scales, 8 + i % 4) >> (i / 4 * 2) & 0x03;
    out.sub_scale[half] = static_cast<std::int8_t>(static_cast<int>(low | high << 4) - 32);
  }
}

void read_q4_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  read_six_bit_scales(super_block, block, out);
  read_nibbles(super_block + 16, block, out.q);
}

/// As Q4_K, with 32 bytes of fifth bits (a block one bit of every byte) before the nibbles.
void read_q5_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  read_six_bit_scales(super_block, block, out);
  read_nibbles(super_block + 48, block, out.q);
  add_bits(super_block + 16, block, 1, 4, out.q);
}

/// 128 bytes of low nibbles, 64 of upper bit pairs, 16 scales of 16 columns each, d. Each half of 128 columns: the low
/// nibbles of 64 bytes are its first two blocks, the high nibbles the other two.
void read_q6_k(const std::byte* super_block, std::size_t block, FileBlock& out) {
  const std::size_t quarter = block % 4;
  set_bits(super_block + block / 4 * 64 + quarter % 2 * block_columns, quarter / 2 * 4, 4, out.q);
  add_bits(super_block + 128 + block / 4 * block_columns, quarter * 2, 2, 4, out.q);
  std::memcpy(out.sub_scale, super_block + 192 + block * 2, 2);
  out.scale = read_u16(super_block + 208);
}

/// d, two upper bits of each scale, four bytes of lower nibbles; a scale is plus 32.
void read_iq4_xs_scale(const std::byte* super_block, std::size_t block, FileBlock& out) {
  out.scale = read_u16(super_block);
  const unsigned low = byte_at(super_block, 4 + block / 2) >> (block % 2 * 4) & 0x0F;
  const unsigned high = read_u16(super_block + 2) >> (block * 2) & 0x03U;
  out.sub_scale[0] = out.sub_scale[1] = static_cast<std::int8_t>(static_cast<int>(low | high << 4) - 32);
}

}  // namespace troupe::kernels
