#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "kernels/rope_style.hpp"
#include "troupe/expert_capacity.hpp"

namespace troupe {

/// The pieces of a row-parallel product's columns that no split may cut; what the model alone decides.
struct Leaves {
  std::uint32_t count = 0;
  std::uint32_t units = 0;  ///< of each leaf: query heads, or columns of the FFN
};

/// A leaf is at most 2^19 with 32 bits after the point: 2^51, of which 4096 could leave 64 bits.
inline constexpr std::uint32_t most_leaves = 4095;

/// The fewest equal groups of `units`, of so many columns each, that are at least eight; one unit each where there are
/// fewer than eight, and where that would be more than most_leaves, with which no model is opened. Where a row is whole
/// 32-column blocks, so are its leaves: as many units as that takes then count as one (32 columns of an FFN, two heads
/// of 80). Where it is not, no quantised weight can have it.
[[nodiscard]] inline Leaves leaves_of(std::uint32_t units, std::uint32_t unit_columns) {
  const std::uint32_t for_blocks = 32 / std::gcd(unit_columns, 32U);
  const std::uint32_t together = units % for_blocks == 0 ? for_blocks : 1;
  const std::uint32_t pieces = units / together;
  if (pieces < 8) return {pieces, pieces > 0 ? together : 0U};
  for (std::uint32_t count = 8; count <= most_leaves; ++count) {
    if (pieces % count == 0) return {count, pieces / count * together};
  }
  return {pieces, together};
}

/// What one layer is made of. Layers may be unlike.
struct LayerShape {
  std::uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  std::uint32_t ffn = 0;                       ///< columns, of each expert where there are any
  std::uint32_t experts = 0;                   ///< 0: one feed-forward network for all
  std::uint32_t shared_ffn = 0;                ///< columns of the expert that every row goes to; 0: there is none
  std::uint32_t window = 0;                    ///< positions that it sees; 0: all
  std::optional<std::uint32_t> rotation = 0U;  ///< of ModelDescription::rotations; none: q and k are not rotated

  [[nodiscard]] Leaves attention_leaves() const { return leaves_of(heads, head_dim); }
  [[nodiscard]] Leaves ffn_leaves() const { return leaves_of(ffn, 1); }
  [[nodiscard]] Leaves shared_leaves() const { return leaves_of(shared_ffn, 1); }
};

/// A rotary embedding (Su et al. 2021), and how its reach is stretched.
struct RotationShape {
  kernels::RopeStyle style = kernels::RopeStyle::adjacent;
  std::uint32_t dims = 0;  ///< of a head, the first ones; even
  double theta = 0.0;
  std::vector<double> divisors{};  ///< [dims / 2]: of the frequencies theta^(-2i/dims); empty: ones
  double factor = 1.0;             ///< of what is rotated

  /// What is rotated at position p is also multiplied by 1 + scale * ln(1 + floor(p / length)) (Llama 4); 0: it is not.
  struct Temperature {
    double scale = 0.0;
    std::uint32_t length = 1;
  };
  Temperature temperature{};
};

/// A norm before or behind a half layer: of the root mean square (Zhang and Sennrich 2019), or of mean and variance (Ba
/// et al. 2016).
enum class Norm : std::uint8_t { rms, layer };

/// What an expert counts by its score: the softmax among all experts' scores, or among those of the chosen ones alone,
/// or its sigmoid.
enum class Gating : std::uint8_t { softmax, softmax_of_chosen, sigmoid };

/// Which experts of a layer a row goes to, and how much each counts (Shazeer et al. 2017): those with the highest
/// scores, the lowest number first of equals.
struct ExpertChoice {
  std::uint32_t used = 0;   ///< of each row
  bool normalised = false;  ///< so that the weights of a row come to 1
  float scale = 1.0F;       ///< of the weights
  Gating gating = Gating::softmax;
  ExpertCapacity capacity{};
};

/// The tensors that stand before and behind the layers.
struct EndTensors {
  std::string embedding, output_norm;
  std::string head;  ///< the embedding where they are tied
};

/// What an architecture reads from a model file: plain numbers, checked against each other.
struct ModelDescription {
  std::string architecture;
  std::uint32_t hidden = 0, vocabulary = 0, context = 0;
  std::uint32_t tokens = 0;  ///< the rows of the vocabulary that have a token, the first ones; only they are sampled
  std::vector<LayerShape> layers;
  Norm norm = Norm::rms;
  float norm_epsilon = 0.0F;
  float embedding_scale = 1.0F;
  float attention_scale = 0.0F;    ///< of the products of queries and keys
  float attention_softcap = 0.0F;  ///< of the scores; 0: none
  float residual_scale = 1.0F;     ///< of what a half layer adds
  float logit_scale = 1.0F;
  float logit_softcap = 0.0F;  ///< after the scale; 0: none
  std::vector<RotationShape> rotations;
  ExpertChoice experts{};  ///< of layers that have some
  EndTensors ends;
  std::vector<std::string> described;  ///< tensors that the numbers here come from, if the file has them

  [[nodiscard]] std::uint32_t layer_count() const { return static_cast<std::uint32_t>(layers.size()); }

  /// Of the layer that has the fewest: what a graph's shares are counted in. Of every other layer a shard has the same
  /// part.
  [[nodiscard]] std::uint32_t attention_leaves() const { return fewest(&LayerShape::attention_leaves); }
  [[nodiscard]] std::uint32_t ffn_leaves() const {
    const std::uint32_t shared = fewest(&LayerShape::shared_leaves);
    return shared == 0 ? fewest(&LayerShape::ffn_leaves) : std::min(shared, fewest(&LayerShape::ffn_leaves));
  }

  /// Of the layers that have experts; 0 where none has.
  [[nodiscard]] std::uint32_t fewest_experts() const {
    std::uint32_t least = 0;
    for (const LayerShape& layer : layers) {
      if (layer.experts > 0) least = least == 0 ? layer.experts : std::min(least, layer.experts);
    }
    return least;
  }

 private:
  [[nodiscard]] std::uint32_t fewest(Leaves (LayerShape::*leaves)() const) const {
    std::uint32_t least = UINT32_MAX;
    for (const LayerShape& layer : layers) {
      if (const std::uint32_t count = (layer.*leaves)().count; count > 0) least = std::min(least, count);
    }
    return least == UINT32_MAX ? 0 : least;
  }
};

}  // namespace troupe
