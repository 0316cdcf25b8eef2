#pragma once

#include "kernels/cpu/neon_tile.hpp"

/// Tile kernels for processors with products of byte matrices (I8MM: all since ARMv8.6-A).
namespace troupe::kernels::i8mm {

#include "kernels/cpu/neon_tile.inl"

using neon::float_kernel;
using neon::float_tile_tokens;

struct TileSize {
  static constexpr std::size_t tile_groups = 1, tile_tokens = 4, narrow_tokens = 4;
};

}  // namespace troupe::kernels::i8mm
