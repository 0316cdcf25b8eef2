#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/packed_chunk.hpp"
#include "kernels/table.hpp"

namespace troupe::kernels::cpu {

/// Where a tile's results go.
struct TileOutput {
  float* sums;             ///< [groups][tokens][16], 64-byte aligned: the only leaf's sums, where fixed is null
  std::int64_t* fixed;     ///< the same shape, and zero: every leaf's sums, rounded to fixed point, are added to it
  std::uint8_t* overflow;  ///< [tokens], see MatmulArgs
};

/// What one tile kernel of quantised weights computes: a few groups of 16 rows by a few tokens.
struct Tile {
  const std::byte* weights;  ///< of the first group
  std::size_t group_bytes;
  std::size_t leaves;
  std::size_t leaf_blocks;  ///< blocks of 32 columns in a leaf
  bool starts_odd;          ///< see PackedMatrix
  const Q8Block* in;        ///< of the first token
  std::size_t in_stride;    ///< blocks to the next token
  TileOutput to;
};
using TileKernel = void (*)(const Tile& tile);

enum class Output : std::uint8_t { floats, fixed_point, floats_of_leaves };

struct TilePlace {
  std::size_t group, groups, token, tokens;
};

/// Copies a tile to where it belongs in the product.
template <class Isa, class Element>
void store_tile(const MatmulArgs& args, const TilePlace& place, const Element* tile) {
  for (std::size_t g = 0; g < place.groups; ++g) {
    const std::size_t row = (place.group + g) * group_rows, rows = args.weights->rows - row;
    Element* out = static_cast<Element*>(args.out) + place.token * args.out_stride + row;
    for (std::size_t t = 0; t < place.tokens; ++t, tile += group_rows, out += args.out_stride) {
      if (rows >= group_rows) {
        std::memcpy(out, tile, group_rows * sizeof(Element));  // of a constant size: no call
      } else {
        std::memcpy(out, tile, rows * sizeof(Element));
      }
    }
  }
}

/// Walks a product of quantised weights in tiles. `Isa` is one instruction set's part, a type of its own folder's
/// namespace (so that nothing compiled for one instruction set is ever linked into another):
///   tile_groups, tile_tokens   the largest tile
///   narrow_tokens              the largest tile of one group, which streams its weights from memory
///   kernel(format, groups, tokens)
///   from_fixed                 as in KernelTable
template <class Isa>
class MatmulDriver {
 public:
  MatmulDriver(const MatmulArgs& args, Output output) : args_(args), weights_(*args.weights), output_(output) {}

  void run(std::size_t first_group, std::size_t last_group) const {
    const std::size_t pass = tokens_per_pass();
    for (std::size_t token = 0; token < args_.tokens; token += pass) {
      run_pass(first_group, last_group, token, min(token + pass, args_.tokens));
    }
  }

 private:
  using Place = TilePlace;
  static constexpr std::size_t wide = Isa::tile_groups * Isa::tile_tokens;
  static constexpr std::size_t most_vectors = wide > Isa::narrow_tokens ? wide : Isa::narrow_tokens;

  static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }

  /// Tokens whose activations stay in the second-level cache while all weights stream by.
  std::size_t tokens_per_pass() const {
    constexpr std::size_t cache_bytes = 384 * 1024;
    const std::size_t fitting = cache_bytes / (weights_.columns() / block_columns * sizeof(Q8Block));
    const std::size_t tiles = fitting > Isa::narrow_tokens ? (fitting - Isa::narrow_tokens) / Isa::tile_tokens : 0;
    return Isa::narrow_tokens + tiles * Isa::tile_tokens;
  }

  /// The size of the next tile of at most `most` where `left` are left: of four, by threes, 2 + 2 and not 3 + 1.
  static std::size_t next_size(std::size_t left, std::size_t most) {
    return left == most + 1 && most > 2 ? most - 1 : min(left, most);
  }

  /// The first tokens take one group of weights after the other, as they come from memory; then these are in the cache.
  void run_pass(std::size_t first_group, std::size_t last_group, std::size_t first_token,
                std::size_t last_token) const {
    const std::size_t second_token = min(first_token + Isa::narrow_tokens, last_token);
    for (std::size_t group = first_group; group < last_group;) {
      const std::size_t groups = next_size(last_group - group, Isa::tile_groups);
      for (std::size_t g = 0; g < groups; ++g) run_tile({group + g, 1, first_token, second_token - first_token});
      for (std::size_t token = second_token; token < last_token;) {
        const std::size_t tokens = next_size(last_token - token, Isa::tile_tokens);
        run_tile({group, groups, token, tokens});
        token += tokens;
      }
      group += groups;
    }
  }

  void run_tile(const Place& place) const {
    const std::size_t elements = place.groups * place.tokens * group_rows;
    const bool leaves = output_ != Output::floats;
    alignas(64) float sums[most_vectors * group_rows];
    alignas(64) std::int64_t fixed[most_vectors * group_rows];
    if (leaves) std::memset(fixed, 0, elements * sizeof fixed[0]);
    const Tile tile{.weights = weights_.data + place.group * weights_.group_bytes,
                    .group_bytes = weights_.group_bytes,
                    .leaves = weights_.leaves,
                    .leaf_blocks = weights_.leaf_columns / block_columns,
                    .starts_odd = weights_.starts_odd,
                    .in = static_cast<const Q8Block*>(args_.in) + place.token * args_.in_stride,
                    .in_stride = args_.in_stride,
                    .to = {sums, leaves ? fixed : nullptr, leaves ? args_.overflow + place.token : nullptr}};
    Isa::kernel(weights_.format, place.groups, place.tokens)(tile);
    if (output_ == Output::fixed_point) return store_tile<Isa>(args_, place, fixed);
    if (leaves) Isa::from_fixed(fixed, elements, sums);
    store_tile<Isa>(args_, place, sums);
  }

  const MatmulArgs& args_;
  const PackedMatrix& weights_;
  Output output_;
};

/// Sets the overflow flag of the tokens that have a sum out of range, where it says nothing, and puts zero in its
/// place. [vectors][16] sums, vector v of token v % tokens. A template for the same reason.
template <class Isa>
void drop_overflow(float* sums, std::size_t vectors, std::size_t tokens, std::uint8_t* overflow) {
  for (std::size_t i = 0; i < vectors * group_rows; ++i) {
    if (sums[i] >= -fixed_limit && sums[i] <= fixed_limit) continue;  // false for NaN
    sums[i] = 0.0F;
    // Relaxed: who reads it has met this thread behind the op. Others of this op store what it stores.
    std::uint8_t* const flag = &overflow[i / group_rows % tokens];
    if (__atomic_load_n(flag, __ATOMIC_RELAXED) == 0) __atomic_store_n(flag, std::uint8_t{1}, __ATOMIC_RELAXED);
  }
}

}  // namespace troupe::kernels::cpu
