// Tile kernels for every format of integers. Included in the namespace of each level of NEON, behind what differs:
//   offset_of(packing)           what is added to weights before they are multiplied
//   quarters_at_once(tokens)     quarters of the rows whose integer sums are in registers together: 1 or 4
//   Activations<tokens>          a block of activations in registers; load_activations<tokens>(in, in_stride)
//   multiply<format, first_four, fours, n>(weights, activations, start)
//                                sums of products with weights plus the offset, of n quarters, that begin with `start`;
//                                moves `weights` on where it `streams`

template <Format format, int tokens>
struct BlockTile {
  static constexpr Packing packing = packing_of(format);
  static constexpr ChunkLayout layout = layout_of(format);
  static constexpr int parts = parts_of(packing);
  static constexpr int part_fours = 8 / parts;
  static constexpr int at_once = quarters_at_once(tokens);

  template <int n, class Function>
  [[gnu::always_inline]] static inline void for_each(Function f) {
#pragma GCC unroll 4
    for (int q = 0; q < n; ++q) {
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) f(q, t);
    }
  }

  template <int part, int first>
  [[gnu::always_inline]] static inline void scale(const std::byte* scales, std::size_t blocks, std::size_t b,
                                                  const Q8Block* in, std::size_t in_stride,
                                                  const IntegerSums<tokens, at_once>& integers,
                                                  FloatSums<tokens>& out) {
    const Part at{blocks, b, part, first};
    const Floats<at_once> weight_scale = scale_of<packing.scales, at_once>(scales, at);
    for_each<at_once>([&](int q, int t) {
      const float32x4_t both = vmulq_n_f32(weight_scale.at[q], in[t * in_stride].scale);
      out.at[t][first + q] = vfmaq_f32(out.at[t][first + q], vcvtq_f32_s32(integers.at[t][q]), both);
    });
    if constexpr (has_minimum(packing)) {
      const Floats<at_once> min = min_of<packing.scales, at_once>(scales, at);
      for_each<at_once>([&](int q, int t) {
        const float scaled = scaled_sum<parts, part>(in[t * in_stride]);
        out.at[t][first + q] = add_min<packing.scales>(min.at[q], scaled, out.at[t][first + q]);
      });
    }
  }

  template <int part, int first>
  [[gnu::always_inline]] static inline void add_quarters(const std::byte*& weights, const std::byte* scales,
                                                         std::size_t blocks, std::size_t b, const Q8Block* in,
                                                         std::size_t in_stride, const Activations<tokens>& activations,
                                                         FloatSums<tokens>& out) {
    constexpr int offset = offset_of(packing);
    std::int32_t start[tokens] = {};
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      if (offset > 0) start[t] = neg_sum<parts, part>(in[t * in_stride]) * offset;
    }
    const std::byte* quarter = weights + first * 16;
    const IntegerSums<tokens, at_once> integers =
        multiply<format, part * part_fours, part_fours, at_once>(quarter, activations, start);
    if constexpr (streams<format, at_once>) weights = quarter;
    scale<part, first>(scales, blocks, b, in, in_stride, integers, out);
    if constexpr (first + at_once < quarters) {
      add_quarters<part, first + at_once>(weights, scales, blocks, b, in, in_stride, activations, out);
    }
  }

  static void run(const Tile& tile) {
    const std::byte* chunk = tile.weights;
    const Q8Block* in = tile.in;
    bool odd = tile.starts_odd;
    for (std::size_t leaf = 0; leaf < tile.leaves; ++leaf) {
      FloatSums<tokens> sums{};
      std::size_t left = tile.leaf_blocks;
      for (std::size_t blocks = odd ? 1 : 2; left > 0; blocks = 2) {
        if (blocks > left) blocks = left;
        const std::byte *weights = chunk, *scales = chunk + blocks * layout.block_bytes;
        for (std::size_t b = 0; b < blocks; ++b, ++in) {
          const Activations<tokens> activations = load_activations<tokens>(in, tile.in_stride);
          add_quarters<0, 0>(weights, scales, blocks, b, in, tile.in_stride, activations, sums);
          if constexpr (parts == 2)
            add_quarters<1, 0>(weights, scales, blocks, b, in, tile.in_stride, activations, sums);
          if constexpr (!streams<format, at_once>) weights += layout.block_bytes;
        }
        chunk += layout.chunk_bytes(blocks);
        left -= blocks;
      }
      odd ^= tile.leaf_blocks % 2 != 0;
      finish_leaf(sums, tile.to);
    }
  }
};

template <Format format, std::size_t... less>
TileKernel find_tile(std::index_sequence<less...>, std::size_t tokens) {
  static constexpr TileKernel kernels[] = {BlockTile<format, static_cast<int>(less) + 1>::run...};
  return kernels[tokens - 1];
}

template <Format format>
TileKernel pick(std::size_t, std::size_t tokens) {
  return find_tile<format>(std::make_index_sequence<TileSize::tile_tokens>{}, tokens);
}

#include "kernels/cpu/block_kernels.inl"

template TileKernel block_kernel<whole_bytes>(Format, std::size_t, std::size_t);
template TileKernel block_kernel<nibbles>(Format, std::size_t, std::size_t);
template TileKernel block_kernel<nibbles_and_bit>(Format, std::size_t, std::size_t);
template TileKernel block_kernel<nibbles_and_pair>(Format, std::size_t, std::size_t);
template TileKernel block_kernel<pairs>(Format, std::size_t, std::size_t);
template TileKernel block_kernel<pairs_and_bit>(Format, std::size_t, std::size_t);
