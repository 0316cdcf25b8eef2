#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/model/description.hpp"
#include "troupe/graph.hpp"

namespace troupe {

using ValueId = std::uint32_t;   ///< of Program::values
using WeightId = std::uint32_t;  ///< of Program::weights
using KvId = std::uint32_t;      ///< of Program::kv
using SpaceId = std::uint32_t;   ///< of Program::spaces
using GroupId = std::uint32_t;   ///< of Program::groups
using EventId = std::uint32_t;   ///< below Program::events

/// What an op does with a value: `update` reads it and writes it in place.
enum class Access : std::uint8_t { read, write, update };

}  // namespace troupe

/// Every op as data, one struct each: its name, its fields, `values`, which names each value that it touches, in the
/// order in which a listing shows them, and `weights` where it has some. How it is done is a device's business.
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

// Collectives begin, and have ended once their event has been awaited: until then nobody else touches their values.
// What is reduced, gathered by columns or broadcast has the same rows on all ranks of the group. Of the others a rank
// may have none: they stand in sections without tiles, which run whatever their count.

/// The sum of every rank's partial, in place.
struct AllReduce {
  static constexpr std::string_view name = "all_reduce";
  ValueId sum;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(sum); }
};

/// The same; but where there are many rows (see part_of_rows), of these each rank has its part alone, until they are
/// gathered: of norms and of what else is done to a row by itself, it need do no more (Korthikanti et al., Reducing
/// Activation Recomputation in Large Transformer Models, 2022).
struct ReduceRows {
  static constexpr std::string_view name = "reduce_rows";
  ValueId sum;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(sum); }
};

/// Of such rows, or of what has been made of them, every part at every rank, in place.
struct GatherParts {
  static constexpr std::string_view name = "gather_parts";
  ValueId x;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(x); }
};

/// Every rank's columns side by side, at the first rank.
struct AllGather {
  static constexpr std::string_view name = "all_gather";
  ValueId x, all;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.reads(x).writes(all); }
};

/// The first rank's value, at every rank.
struct Broadcast {
  static constexpr std::string_view name = "broadcast";
  ValueId value;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(value); }
};

/// Every rank's own rows, one rank's behind another's, at every rank: those of the step.
struct AllGatherRows {
  static constexpr std::string_view name = "all_gather_rows";
  ValueId x, all;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.reads(x).writes(all); }
};

/// Of each own row the columns of each rank, one rank's behind another's, so that each can be sent its part: not a row
/// after the other any more. Ranks may have columns in common.
struct PackHeads {
  static constexpr std::string_view name = "pack_heads";
  ValueId x, packed;
  std::vector<Range> columns;  ///< [ranks]
  void values(auto&& v) const { v.reads(x).writes(packed); }
};

/// And the other way round; here they have none in common.
struct UnpackHeads {
  static constexpr std::string_view name = "unpack_heads";
  ValueId packed, x;
  std::vector<Range> columns;
  void values(auto&& v) const { v.reads(packed).writes(x); }
};

/// From own rows of all ranks' columns, packed, to all rows of this rank's own columns, or back (Jacobs et al.,
/// DeepSpeed-Ulysses, 2023).
struct ExchangeHeads {
  static constexpr std::string_view name = "exchange_heads";
  ValueId x, y;
  GroupId group;
  EventId done;
  std::vector<Range> columns;
  bool back;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The rows that each rank sends to each: from what was picked (PickSent) to what PlanExchange made room for, or back.
struct AllToAll {
  static constexpr std::string_view name = "all_to_all";
  ValueId x, y;
  GroupId group;
  EventId done;
  bool back;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The end of what `done` was begun with. `from` and `to`: what that reads and writes, so that both are seen to be in
/// use until here; the same where it works in place.
struct Await {
  static constexpr std::string_view name = "await";
  EventId done;
  ValueId from, to;
  void values(auto&& v) const {
    if (from != to) v.reads(from);
    v.updates(to);
  }
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

struct KvAppend {
  static constexpr std::string_view name = "kv_append";
  ValueId k, v;
  KvId kv;
  void values(auto&& visit) const { visit.reads(k).reads(v); }
};

/// What the ops of attention have in common.
struct AttentionShape {
  KvId kv;
  std::uint32_t heads, head_dim;
  std::uint32_t window;                ///< in positions; 0: none
  float scale;                         ///< of the products of queries and keys
  float softcap;                       ///< of the scores; 0: none
  std::vector<std::uint16_t> kv_head;  ///< [heads]: which of the shard's KV heads each reads
  std::optional<WeightId> sinks{};     ///< [heads]: a score more for each, whose value is nothing
  void weights(auto&& v) const {       // of the ops that divide by the sum
    if (sinks) v(*sinks);
  }
};

struct AttentionScores {
  static constexpr std::string_view name = "attention_scores";
  ValueId q, scores;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).writes(scores); }
};

/// q: whose rows the kernels name, here and in what follows.
struct AttentionSoftmax {
  static constexpr std::string_view name = "attention_softmax";
  ValueId q, scores, maxima, sums;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).updates(scores).writes(maxima).writes(sums); }
};

struct AttentionValues {
  static constexpr std::string_view name = "attention_values";
  ValueId q, scores, maxima, sums, y;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).reads(scores).reads(maxima).reads(sums).writes(y); }
  void weights(auto&& v) const { shape.weights(v); }
};

// Ranks that share out the positions of the KV cache: of every row of the step each finds what its positions come to,
// and sends it to the rank whose row that is: nodes of attention's tree (see kernels::DealtNodes), of which a row has
// as many as it sees stretches. Keys and values stay where they are (after the queries that travel in Yang et al.,
// Context Parallelism for Scalable Million-Token Inference, 2024).

/// Makes the rows of two spaces: the nodes that this rank finds, and those that all have found of its own rows. It
/// follows from the positions, and from what layers of such a `window` see.
struct PlanNodes {
  static constexpr std::string_view name = "plan_nodes";
  SpaceId found, gathered;
  std::uint32_t window;
  void values(auto&&) const {}
};

/// q: of every row.
struct AttentionNodes {
  static constexpr std::string_view name = "attention_nodes";
  ValueId q, found;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).writes(found); }
};

struct ExchangeNodes {
  static constexpr std::string_view name = "exchange_nodes";
  ValueId found, gathered;
  GroupId group;
  EventId done;
  std::uint32_t window;
  void values(auto&& v) const { v.reads(found).writes(gathered); }
};

/// q: of own rows.
struct MergeNodes {
  static constexpr std::string_view name = "merge_nodes";
  ValueId q, gathered, y;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).reads(gathered).writes(y); }
  void weights(auto&& v) const { shape.weights(v); }
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

// Experts. A row becomes a routed row for each expert that it goes to: rows of a space, expert by expert, and of one
// expert in order. No expert's rows are padded, and none are left out. Where ranks share out the experts, each row goes
// first to every rank that has an expert of its choice, once, and is a guest there.

/// Chooses each row's experts by its scores, [experts]. choice [2 * used]: the experts' numbers, the highest score
/// first, then what they count. A bias, [experts], is added to what sigmoids make of the scores for the choice alone
/// (Wang et al. 2024).
struct Route {
  static constexpr std::string_view name = "route";
  ValueId scores, choice;
  ExpertChoice how;
  std::optional<WeightId> bias{};
  void values(auto&& v) const { v.reads(scores).writes(choice); }
  void weights(auto&& v) const {
    if (bias) v(*bias);
  }
};

/// Tells the ranks how many rows come from where, and so makes the rows of two spaces: what this one sends, by rank,
/// and its guests, by rank. Of an expert that several ranks have each uses its own copy, and others share out theirs.
struct PlanExchange {
  static constexpr std::string_view name = "plan_exchange";
  ValueId choice;
  SpaceId sent, guests;
  std::vector<std::vector<std::uint32_t>> ranks;  ///< [experts]: that have it
  GroupId group;
  void values(auto&& v) const { v.reads(choice); }
};

/// The rows of x that are sent.
struct PickSent {
  static constexpr std::string_view name = "pick_sent";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The choices of the rows that are sent: of each those experts that the rank to which it goes is to use for it; in
/// place of the others there is -1.
struct PickChoices {
  static constexpr std::string_view name = "pick_choices";
  ValueId choice, y;
  void values(auto&& v) const { v.reads(choice).writes(y); }
};

/// Lays out the routed rows: for each row those of its choice that are `here`, of so many experts.
struct LayExperts {
  static constexpr std::string_view name = "lay_experts";
  ValueId choice;
  SpaceId routed;
  std::vector<std::uint32_t> here;  ///< ascending
  std::uint32_t experts;
  bool counted;  ///< for Stats::experts: by one of the ranks that lay the same
  void values(auto&& v) const { v.reads(choice); }
};

/// The routed rows of x.
struct Dispatch {
  static constexpr std::string_view name = "dispatch";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The product of each routed row with its expert's weights.
struct ExpertMatmul {
  static constexpr std::string_view name = "expert_matmul";
  ValueId x;
  std::vector<WeightId> experts;  ///< [experts]
  ValueId y;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Each routed row plus its expert's bias.
struct ExpertBias {
  static constexpr std::string_view name = "expert_bias";
  ValueId x;
  std::vector<WeightId> experts;  ///< [experts]
  void values(auto&& v) const { v.updates(x); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Each routed row times what its expert counts.
struct WeighExperts {
  static constexpr std::string_view name = "weigh_experts";
  ValueId x;
  void values(auto&& v) const { v.updates(x); }
};

/// As ExpertMatmul: this rank's leaves of a row-parallel product, in fixed point.
struct ExpertPartial {
  static constexpr std::string_view name = "expert_partial";
  ValueId x;
  std::vector<WeightId> experts;
  ValueId partial;
  void values(auto&& v) const { v.reads(x).writes(partial); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Each routed row of a sum in fixed point plus its expert's bias times what the expert counts: a leaf, which one rank
/// of those that share out the others adds.
struct ExpertBiasLeaf {
  static constexpr std::string_view name = "expert_bias_leaf";
  ValueId partial;
  std::vector<WeightId> experts;
  void values(auto&& v) const { v.updates(partial); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Of each row the sum of its routed rows, in fixed point.
struct Combine {
  static constexpr std::string_view name = "combine";
  ValueId routed, y;
  bool of_guests;  ///< a sum that is out of range is told in the row itself, to the rank that sent it
  void values(auto&& v) const { v.reads(routed).writes(y); }
};

/// Of each row the sum of what has come back of it, in fixed point.
struct SumReturned {
  static constexpr std::string_view name = "sum_returned";
  ValueId returned, y;
  void values(auto&& v) const { v.reads(returned).writes(y); }
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

// clang-format off
using Any = std::variant<
    Embed, OwnRows, SelectWanted, GatherRows,
    RmsNorm, HeadNorm, LayerNorm, HeadLayerNorm, MeanSquare, NormByMean, Bias, Scale, SigmoidScale, Softcap, Quantize,
    Matmul, MatmulPartial, FromFixed,
    AllReduce, ReduceRows, GatherParts, AllGather, AllGatherRows, PackHeads, UnpackHeads, ExchangeHeads, AllToAll, Broadcast, Await,
    Rope, KvAppend, AttentionScores, AttentionSoftmax, AttentionValues,
    PlanNodes, AttentionNodes, ExchangeNodes, MergeNodes,
    Gelu, SiluMul, GeluMul, SwigluOai, Add,
    Route, PlanExchange, PickSent, PickChoices, LayExperts, Dispatch, ExpertMatmul, ExpertBias, WeighExperts, ExpertPartial,
    ExpertBiasLeaf, Combine, SumReturned,
    NormQuantize, MatmulLeaves, RopeAppend, Attention, AttentionQuantize, SiluGate, GeluGate, Residual
>;
// clang-format on

}  // namespace troupe::ops

namespace troupe {

/// One op of a step. A device looks at `what`; everybody else at its name, values and weights.
struct Op {
  std::uint32_t layer = 0;  ///< counted as the model counts, for error messages
  ops::Any what;
};

[[nodiscard]] inline std::string_view name_of(const Op& op) {
  return std::visit([](const auto& what) { return what.name; }, op.what);
}

/// Calls visit(id, Access) for each value of an op.
template <class Visit>
void for_each_value(const Op& op, const Visit& visit) {
  struct Accesses {
    const Visit& visit;
    const Accesses& reads(ValueId id) const { return visit(id, Access::read), *this; }
    const Accesses& writes(ValueId id) const { return visit(id, Access::write), *this; }
    const Accesses& updates(ValueId id) const { return visit(id, Access::update), *this; }
  };
  std::visit([&](const auto& what) { what.values(Accesses{visit}); }, op.what);
}

/// Calls visit(id) for each weight of an op.
template <class Visit>
void for_each_weight(const Op& op, const Visit& visit) {
  std::visit(
      [&](const auto& what) {
        if constexpr (requires { what.weights(visit); }) what.weights(visit);
      },
      op.what);
}

}  // namespace troupe
