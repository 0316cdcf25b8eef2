#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/table.hpp"

namespace troupe {

/// The pieces of a row-parallel product's columns that no split may cut; what the model alone decides.
struct Leaves {
  std::uint32_t count = 0;
  std::uint32_t units = 0;  ///< of each leaf: query heads, or 32-column blocks
};

/// A leaf is at most 2^19 with 32 bits after the point: 2^51, of which 4096 could leave 64 bits.
inline constexpr std::uint32_t most_leaves = 4095;

/// The fewest equal groups of `units` that are at least eight; one unit each where there are fewer than eight, and
/// where that would be more than most_leaves, with which no model is opened.
[[nodiscard]] inline Leaves leaves_of(std::uint32_t units) {
  if (units < 8) return {units, units > 0 ? 1U : 0U};
  for (std::uint32_t count = 8; count <= most_leaves; ++count) {
    if (units % count == 0) return {count, units / count};
  }
  return {units, 1};
}

/// What an architecture reads from a model file: plain numbers, checked against each other.
struct ModelDescription {
  std::string architecture;
  std::uint32_t layers = 0, hidden = 0, ffn = 0, heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0, context = 0;
  float norm_epsilon = 0.0F;
  float embedding_scale = 1.0F;
  float attention_scale = 0.0F;  ///< of the products of queries and keys
  kernels::RopeStyle rope_style = kernels::RopeStyle::adjacent;
  std::vector<double> rope_thetas;  ///< by number; layers name the one they use
  std::uint32_t window = 0;         ///< of the local layers, in positions
  std::vector<bool> local;          ///< of each layer: whether it sees the window alone; empty: none does
  std::string head_tensor;          ///< the output head's: "output.weight", or the embedding where they are tied

  [[nodiscard]] Leaves attention_leaves() const { return leaves_of(heads); }
  [[nodiscard]] Leaves ffn_leaves() const { return leaves_of(ffn / 32); }
};

}  // namespace troupe
