#pragma once

#include <cstddef>

#include "kernels/file_block.hpp"

/// The formats whose blocks of 256 columns hold eight of 32 (ggml-common.h, ggml-quants.c): reads one of the eight.
namespace troupe::kernels {

void read_q2_k(const std::byte* super_block, std::size_t block, FileBlock& out);
void read_q3_k(const std::byte* super_block, std::size_t block, FileBlock& out);
void read_q4_k(const std::byte* super_block, std::size_t block, FileBlock& out);
void read_q5_k(const std::byte* super_block, std::size_t block, FileBlock& out);
void read_q6_k(const std::byte* super_block, std::size_t block, FileBlock& out);
/// All but the weights.
void read_iq4_xs_scale(const std::byte* super_block, std::size_t block, FileBlock& out);

}  // namespace troupe::kernels
