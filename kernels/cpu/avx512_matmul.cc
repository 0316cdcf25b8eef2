#include "kernels/cpu/avx512_kernels.hpp"
#include "kernels/cpu/avx512_tile.hpp"

namespace troupe::kernels::avx512 {
namespace {

/// This folder's part of MatmulDriver.
struct Isa : TileSize {
  static constexpr auto kernel = tile_kernel;

  static void from_fixed(const std::int64_t* fixed, std::size_t n, float* out) { avx512::from_fixed(fixed, n, out); }
};

}  // namespace

#include "kernels/cpu/matmul.inl"

}  // namespace troupe::kernels::avx512
