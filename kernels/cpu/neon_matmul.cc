#include "kernels/cpu/neon_kernels.hpp"
#include "kernels/cpu/neon_tile.hpp"

namespace troupe::kernels::neon {
namespace {

/// This folder's part of MatmulDriver.
struct Isa : TileSize {
  static constexpr auto kernel = tile_kernel;

  static void from_fixed(const std::int64_t* fixed, std::size_t n, float* out) { neon::from_fixed(fixed, n, out); }
};

}  // namespace

#include "kernels/cpu/matmul.inl"

}  // namespace troupe::kernels::neon
