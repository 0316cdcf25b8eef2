#pragma once

#include <optional>
#include <string_view>

#include "runtime/program/ops/attention_ops.hpp"
#include "runtime/program/ops/row_ops.hpp"

namespace troupe::ops {

// What fusion rules make of them.

struct NormQuantize {
  static constexpr std::string_view name = "norm_quantize";
  ValueId x;
  WeightId scale;
  ValueId y;
  float epsilon;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const { v(scale); }
};

/// matmul_partial and from_fixed where one rank has every leaf.
struct MatmulLeaves {
  static constexpr std::string_view name = "matmul_leaves";
  ValueId x;
  WeightId weight;
  ValueId y;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const { v(weight); }
};

struct RopeAppend {
  static constexpr std::string_view name = "rope_append";
  Rope q, k;
  KvAppend append;
  void values(auto&& v) const { v.updates(q.x).updates(k.x).reads(append.v); }
};

/// Scores, softmax and values in one pass.
struct Attention {
  static constexpr std::string_view name = "attention";
  ValueId q, y;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).writes(y); }
  void weights(auto&& v) const { shape.weights(v); }
};

struct AttentionQuantize {
  static constexpr std::string_view name = "attention_quantize";
  ValueId q, y, q8;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).writes(y).writes(q8); }
  void weights(auto&& v) const { shape.weights(v); }
};

/// Two products of one input, the activation, and the quantisation, by tiles.
struct SiluGate {
  static constexpr std::string_view name = "silu_gate";
  ValueId x;
  WeightId gate, up;
  ValueId y;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const {
    v(gate);
    v(up);
  }
};

struct GeluGate {
  static constexpr std::string_view name = "gelu_gate";
  ValueId x;
  WeightId gate, up;
  ValueId y;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const {
    v(gate);
    v(up);
  }
};

/// The end of a row-parallel product: `y`, [reduced by rows,] made float where it is fixed, [normed,] added, and what
/// it is added to [normed and quantised; of that the parts gathered].
struct Residual {
  static constexpr std::string_view name = "residual";
  struct Norm {
    WeightId scale;
    float epsilon;
  };
  struct Next {
    Norm norm;
    ValueId q8;
    bool gathered = false;
  };
  ValueId y, into;
  std::optional<GroupId> group{};  ///< where y, which is fixed, is first reduced, in place
  std::optional<Norm> norm{};
  std::optional<Next> next{};
  void values(auto&& v) const {
    group ? v.updates(y) : v.reads(y);
    v.updates(into);
    if (next) v.writes(next->q8);
  }
  void weights(auto&& v) const {
    if (norm) v(norm->scale);
    if (next) v(next->norm.scale);
  }
};

using FusedOps =
    Kinds<NormQuantize, MatmulLeaves, RopeAppend, Attention, AttentionQuantize, SiluGate, GeluGate, Residual>;

}  // namespace troupe::ops
