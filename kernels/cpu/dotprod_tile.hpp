#pragma once

#include "kernels/cpu/neon_tile.hpp"

/// Tile kernels for processors with dot products of bytes (SDOT: most since ARMv8.2-A, all since ARMv8.4-A).
namespace troupe::kernels::dotprod {

#include "kernels/cpu/neon_tile.inl"

using neon::float_kernel;
using neon::float_tile_tokens;

struct TileSize {
  static constexpr std::size_t tile_groups = 1, tile_tokens = 4, narrow_tokens = 4;
};

}  // namespace troupe::kernels::dotprod
