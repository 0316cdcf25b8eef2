#include "kernels/cpu/avx2_kernels.hpp"
#include "kernels/cpu/avx2_tile.hpp"

namespace troupe::kernels::avx2 {
namespace {

/// This folder's part of MatmulDriver.
struct Isa {
  static constexpr std::size_t tile_groups = 1;
  static constexpr std::size_t tile_tokens = avx2::tile_tokens;
  static constexpr std::size_t narrow_tokens = avx2::tile_tokens;

  static TileKernel kernel(Format format, std::size_t, std::size_t tokens) {
    const Planes planes = packing_of(format).planes;
    if (planes == nibbles) return block_kernel<nibbles>(format, tokens);
    if (planes == nibbles_and_bit) return block_kernel<nibbles_and_bit>(format, tokens);
    if (planes == nibbles_and_pair) return block_kernel<nibbles_and_pair>(format, tokens);
    if (planes == pairs) return block_kernel<pairs>(format, tokens);
    if (planes == pairs_and_bit) return block_kernel<pairs_and_bit>(format, tokens);
    return block_kernel<whole_bytes>(format, tokens);
  }

  static void from_fixed(const std::int64_t* fixed, std::size_t n, float* out) { avx2::from_fixed(fixed, n, out); }
};

/// And of FloatDriver.
struct FloatIsa : Isa {
  static constexpr std::size_t tile_tokens = float_tile_tokens;

  static FloatTileKernel kernel(Format format, std::size_t, std::size_t tokens) { return float_kernel(format, tokens); }
};

using cpu::Output;

void run(const MatmulArgs& args, Output output, std::size_t first_group, std::size_t last_group) {
  if (packing_of(args.weights->format).planes == floats) {
    return cpu::FloatDriver<FloatIsa>(args, output).run(first_group, last_group);
  }
  cpu::MatmulDriver<Isa>(args, output).run(first_group, last_group);
}

}  // namespace

void drop_overflow(float* sums, std::size_t vectors, std::size_t tokens, std::uint8_t* overflow) {
  cpu::drop_overflow<Isa>(sums, vectors, tokens, overflow);
}

void matmul(const MatmulArgs& args, std::size_t first_group, std::size_t last_group) {
  run(args, Output::floats, first_group, last_group);
}

void matmul_partial(const MatmulArgs& args, std::size_t first_group, std::size_t last_group) {
  run(args, Output::fixed_point, first_group, last_group);
}

void matmul_leaves(const MatmulArgs& args, std::size_t first_group, std::size_t last_group) {
  run(args, Output::floats_of_leaves, first_group, last_group);
}

}  // namespace troupe::kernels::avx2
