// Included in each instruction set's namespace, behind its part of MatmulDriver, `Isa`.

TileKernel tile_kernel(Format format, std::size_t groups, std::size_t tokens) {
  const Planes planes = packing_of(format).planes;
  if (planes == nibbles) return block_kernel<nibbles>(format, groups, tokens);
  if (planes == nibbles_and_bit) return block_kernel<nibbles_and_bit>(format, groups, tokens);
  if (planes == nibbles_and_pair) return block_kernel<nibbles_and_pair>(format, groups, tokens);
  if (planes == pairs) return block_kernel<pairs>(format, groups, tokens);
  if (planes == pairs_and_bit) return block_kernel<pairs_and_bit>(format, groups, tokens);
  return block_kernel<whole_bytes>(format, groups, tokens);
}

namespace {

/// The set's part of FloatDriver.
struct FloatIsa : Isa {
  static constexpr std::size_t tile_tokens = float_tile_tokens;
  static constexpr auto kernel = float_kernel;
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
