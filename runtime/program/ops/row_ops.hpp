#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/program/ops/kinds.hpp"

// What is done to rows by themselves, and which rows there are.

namespace troupe::ops {

/// A row of the embedding for each token, multiplied by `factor`.
struct Embed {
  static constexpr std::string_view name = "embed";
  WeightId table;
  ValueId y;
  float factor;
  void values(auto&& v) const { v.writes(y); }
  void weights(auto&& v) const { v(table); }
};

struct RmsNorm {
  static constexpr std::string_view name = "rms_norm";
  ValueId x;
  WeightId scale;
  ValueId y;
  float epsilon;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const { v(scale); }
};

/// A norm of each head by itself.
struct HeadNorm {
  static constexpr std::string_view name = "head_norm";
  ValueId x;
  WeightId scale;
  ValueId y;
  float epsilon;
  std::uint32_t heads, head_dim;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const { v(scale); }
};

/// A LayerNorm without its bias.
struct LayerNorm {
  static constexpr std::string_view name = "layer_norm";
  ValueId x;
  WeightId scale;
  ValueId y;
  float epsilon;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const { v(scale); }
};

/// The same of each head by itself, and of each another one: scale [heads * head_dim].
struct HeadLayerNorm {
  static constexpr std::string_view name = "head_layer_norm";
  ValueId x;
  WeightId scale;
  ValueId y;
  float epsilon;
  std::uint32_t heads, head_dim;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const { v(scale); }
};

/// A norm over a projection that ranks share out by heads, in two steps. The first: [1] of each row, the mean square of
/// all of the projection's `columns` as far as this rank's `heads` make it up, those from `first` on, a fixed-point
/// leaf each.
struct MeanSquare {
  static constexpr std::string_view name = "mean_square";
  ValueId x, mean;
  std::uint32_t first, heads, head_dim, columns;
  void values(auto&& v) const { v.reads(x).writes(mean); }
};

/// The second: y = x / sqrt(mean + epsilon) * scale.
struct NormByMean {
  static constexpr std::string_view name = "norm_by_mean";
  ValueId x, mean;
  WeightId scale;
  ValueId y;
  float epsilon;
  void values(auto&& v) const { v.reads(x).reads(mean).writes(y); }
  void weights(auto&& v) const { v(scale); }
};

/// x += bias.
struct Bias {
  static constexpr std::string_view name = "bias";
  ValueId x;
  WeightId bias;
  void values(auto&& v) const { v.updates(x); }
  void weights(auto&& v) const { v(bias); }
};

/// x *= factor.
struct Scale {
  static constexpr std::string_view name = "scale";
  ValueId x;
  float factor;
  void values(auto&& v) const { v.updates(x); }
};

/// x *= 1 / (1 + exp(-score)), score [1].
struct SigmoidScale {
  static constexpr std::string_view name = "sigmoid_scale";
  ValueId score, x;
  void values(auto&& v) const { v.reads(score).updates(x); }
};

/// x = cap * tanh(x / cap).
struct Softcap {
  static constexpr std::string_view name = "softcap";
  ValueId x;
  float cap;
  void values(auto&& v) const { v.updates(x); }
};

struct Quantize {
  static constexpr std::string_view name = "quantize";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

struct Product {
  WeightId weight;
  ValueId y;
};

/// Products of one input, which is quantised, or F32 for weights of floating point.
struct Matmul {
  static constexpr std::string_view name = "matmul";
  ValueId x;
  std::vector<Product> products;
  void values(auto&& v) const {
    v.reads(x);
    for (const Product& product : products) v.writes(product.y);
  }
  void weights(auto&& v) const {
    for (const Product& product : products) v(product.weight);
  }
};

/// This rank's leaves of a row-parallel product, in fixed point.
struct MatmulPartial {
  static constexpr std::string_view name = "matmul_partial";
  ValueId x;
  WeightId weight;
  ValueId partial;
  void values(auto&& v) const { v.reads(x).writes(partial); }
  void weights(auto&& v) const { v(weight); }
};

struct FromFixed {
  static constexpr std::string_view name = "from_fixed";
  ValueId fixed, y;
  void values(auto&& v) const { v.reads(fixed).writes(y); }
};

struct Rope {
  static constexpr std::string_view name = "rope";
  ValueId x;
  std::uint32_t heads, head_dim;
  std::uint32_t rotation;  ///< of Program::rotations
  void values(auto&& v) const { v.updates(x); }
};

struct Gelu {
  static constexpr std::string_view name = "gelu";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

struct SiluMul {
  static constexpr std::string_view name = "silu_mul";
  ValueId gate, up, y;
  void values(auto&& v) const { v.reads(gate).reads(up).writes(y); }
};

struct GeluMul {
  static constexpr std::string_view name = "gelu_mul";
  ValueId gate, up, y;
  void values(auto&& v) const { v.reads(gate).reads(up).writes(y); }
};

/// See KernelTable::swiglu_oai.
struct SwigluOai {
  static constexpr std::string_view name = "swiglu_oai";
  ValueId gate, up, y;
  void values(auto&& v) const { v.reads(gate).reads(up).writes(y); }
};

struct Add {
  static constexpr std::string_view name = "add";
  ValueId y, into;
  void values(auto&& v) const { v.reads(y).updates(into); }
};

/// This rank's own rows of x, of the step.
struct OwnRows {
  static constexpr std::string_view name = "own_rows";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// Makes the rows whose logits are wanted those of a space.
struct SelectWanted {
  static constexpr std::string_view name = "select_wanted";
  SpaceId space;
  void values(auto&&) const {}
};

/// The rows of x, of the step, that were selected.
struct GatherRows {
  static constexpr std::string_view name = "gather_rows";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

using RowOps = Kinds<Embed, RmsNorm, HeadNorm, LayerNorm, HeadLayerNorm, MeanSquare, NormByMean, Bias, Scale,
                     SigmoidScale, Softcap, Quantize, Matmul, MatmulPartial, FromFixed, Rope, Gelu, SiluMul, GeluMul,
                     SwigluOai, Add, OwnRows, SelectWanted, GatherRows>;

}  // namespace troupe::ops
