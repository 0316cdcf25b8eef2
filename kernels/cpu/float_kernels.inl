// Where tiles of floating point have one group: the kernel of a format and so many tokens, of the folder's Kernel.

template <Format format>
static FloatTileKernel pick(std::size_t tokens) {
  static constexpr FloatTileKernel kernels[float_tile_tokens] = {Kernel<format, 1>::run, Kernel<format, 2>::run,
                                                                 Kernel<format, 3>::run, Kernel<format, 4>::run,
                                                                 Kernel<format, 5>::run, Kernel<format, 6>::run};
  return kernels[tokens - 1];
}

FloatTileKernel float_kernel(Format format, std::size_t, std::size_t tokens) {
  if (format == Format::f16) return pick<Format::f16>(tokens);
  return format == Format::bf16 ? pick<Format::bf16>(tokens) : pick<Format::f32>(tokens);
}
