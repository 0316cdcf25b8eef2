// Included in each instruction set's namespace, behind its `pick<format>(groups, tokens)`.

template <Planes planes, std::size_t... all>
TileKernel find_kernel(std::index_sequence<all...>, Format format, std::size_t groups, std::size_t tokens) {
  TileKernel found = nullptr;
  const auto look = [&]<Format candidate>() {
    if constexpr (packing_of(candidate).planes == planes) {
      if (candidate == format) found = pick<candidate>(groups, tokens);
    }
  };
  (look.template operator()<static_cast<Format>(all)>(), ...);
  return found;
}

template <Planes planes>
TileKernel block_kernel(Format format, std::size_t groups, std::size_t tokens) {
  return find_kernel<planes>(std::make_index_sequence<std::size(packings)>{}, format, groups, tokens);
}
