#pragma once

#include "kernels/cpu/matmul_driver.hpp"

namespace troupe::kernels::cpu {

/// What one tile kernel of float weights computes: a piece of a leaf, of a few groups of 16 rows by a few tokens.
struct FloatTile {
  const std::byte* weights;  ///< of the first group and the piece's first column
  std::size_t group_bytes;
  const std::byte* ahead;  ///< as many columns of one group to fetch meanwhile; tiles of one group fetch their own
  const float* in;         ///< of the first token and the piece's first column
  std::size_t in_stride;   ///< to the next token
  std::size_t columns;
  bool begins, ends;  ///< the leaf: between its pieces the sums are kept in to.sums
  TileOutput to;
};
using FloatTileKernel = void (*)(const FloatTile& tile);

/// Walks a product of float weights in tiles; `Isa` is as MatmulDriver's. A piece of the widest tile's weights stays in
/// the second-level cache while tokens pass, so that each is read from memory once for all of them.
template <class Isa>
class FloatDriver {
 public:
  FloatDriver(const MatmulArgs& args, Output output) : args_(args), weights_(*args.weights), output_(output) {}

  void run(std::size_t first_group, std::size_t last_group) const {
    for (std::size_t token = 0; token < args_.tokens; token += pass_tokens) {
      const std::size_t tokens = min(pass_tokens, args_.tokens - token);
      const std::size_t most = tokens > Isa::tile_tokens ? Isa::tile_groups : 1;
      for (std::size_t group = first_group, groups = 0; group < last_group; group += groups) {
        groups = even_size(last_group - group, most);
        run_pass({group, groups, token, tokens});
      }
    }
  }

 private:
  static constexpr std::size_t pass_tokens = 64, piece_columns = 512;
  static constexpr std::size_t pass_floats = Isa::tile_groups * pass_tokens * group_rows;

  static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }

  /// The size of the next of pieces of at most `most`, of which the last two are about equal.
  static std::size_t even_size(std::size_t left, std::size_t most) {
    return left < 2 * most && left > most ? (left + 1) / 2 : min(left, most);
  }

  /// All columns of some groups, by the pass's tokens.
  void run_pass(const TilePlace& place) const {
    const bool leaves = output_ != Output::floats;
    alignas(64) float sums[pass_floats];
    alignas(64) std::int64_t fixed[pass_floats];
    if (leaves) std::memset(fixed, 0, place.groups * place.tokens * group_rows * sizeof fixed[0]);
    for (std::size_t leaf = 0; leaf < weights_.leaves; ++leaf) {
      for (std::size_t c = 0; c < weights_.leaf_columns; c += piece_columns) {
        const std::size_t columns = min(piece_columns, weights_.leaf_columns - c);
        run_piece(place, leaf * weights_.leaf_columns + c, columns, c == 0, c + columns == weights_.leaf_columns,
                  {sums, leaves ? fixed : nullptr, args_.overflow});
      }
    }
    for_each_tile(place, [&](const TilePlace& tile, std::size_t offset) {
      if (output_ == Output::fixed_point) return store_tile<Isa>(args_, tile, fixed + offset);
      if (leaves) Isa::from_fixed(fixed + offset, tile.groups * tile.tokens * group_rows, sums + offset);
      store_tile<Isa>(args_, tile, sums + offset);
    });
  }

  void run_piece(const TilePlace& place, std::size_t column, std::size_t columns, bool begins, bool ends,
                 const TileOutput& to) const {
    const std::size_t column_bytes = float_column_bytes(weights_.format);
    const std::byte* const weights = weights_.data + place.group * weights_.group_bytes + column * column_bytes;
    const std::byte* const next = column + columns < weights_.columns()
                                      ? weights + columns * column_bytes
                                      : weights_.data + (place.group + place.groups) * weights_.group_bytes;
    std::size_t fetched = 0;  // groups of the next piece: one with each of the first tiles
    for_each_tile(place, [&](const TilePlace& tile, std::size_t offset) {
      Isa::kernel(weights_.format, tile.groups,
                  tile.tokens)({.weights = weights,
                                .group_bytes = weights_.group_bytes,
                                .ahead = fetched < place.groups ? next + fetched++ * weights_.group_bytes : weights,
                                .in = static_cast<const float*>(args_.in) + tile.token * args_.in_stride + column,
                                .in_stride = args_.in_stride,
                                .columns = columns,
                                .begins = begins,
                                .ends = ends,
                                .to = {to.sums + offset, to.fixed == nullptr ? nullptr : to.fixed + offset,
                                       to.fixed == nullptr ? nullptr : to.overflow + tile.token}});
    });
  }

  /// Calls f(tile, where its sums begin) for the tiles of a pass, by tokens.
  template <class Function>
  static void for_each_tile(const TilePlace& place, Function f) {
    for (std::size_t done = 0, tokens = 0; done < place.tokens; done += tokens) {
      tokens = even_size(place.tokens - done, Isa::tile_tokens);
      f({place.group, place.groups, place.token + done, tokens}, done * place.groups * group_rows);
    }
  }

  const MatmulArgs& args_;
  const PackedMatrix& weights_;
  Output output_;
};

}  // namespace troupe::kernels::cpu
