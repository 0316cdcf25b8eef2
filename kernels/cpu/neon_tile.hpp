#pragma once

#include <arm_neon.h>

#include "kernels/cpu/float_driver.hpp"

/// Tile kernels for what every 64-bit ARM processor has.
namespace troupe::kernels::neon {

#include "kernels/cpu/neon_tile.inl"

struct TileSize {
  static constexpr std::size_t tile_groups = 1, tile_tokens = 2, narrow_tokens = 2;
};

/// Of floating point, for tiles of one group by at most so many tokens.
inline constexpr std::size_t float_tile_tokens = 6;
[[nodiscard]] FloatTileKernel float_kernel(Format format, std::size_t groups, std::size_t tokens);

}  // namespace troupe::kernels::neon
