#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "runtime/model/adapter.hpp"
#include "runtime/model/description.hpp"
#include "runtime/model/known_keys.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/program/layer_part.hpp"
#include "runtime/program/program.hpp"
#include "runtime/program/rank_grid.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// What ranks share out among them: the outputs of a column-parallel product, the leaves of a row-parallel one.
enum class Cut : std::uint8_t { query_heads, kv_heads, ffn, shared_ffn };

/// Where the rows of a product, or the elements of its bias, are in a tensor that holds others' as well.
struct Fused {
  std::uint32_t before = 0, all = 0;  ///< rows; all 0: it holds no others'
};

/// What an architecture file describes its layers with: plain ops, whole and in order. The builder sizes them for the
/// shard at hand, finds the weights, quantises what products read, but for weights of floating point, and adds to
/// products what adapters change. The first missing or misshapen tensor is remembered; take() returns it.
class ProgramBuilder {
 public:
  ProgramBuilder(const ModelFile& file, const ModelDescription& model, const GraphNode& shard, const RankGrid& ranks,
                 std::span<const Adapter> adapters = {});

  /// Tensors are named within the layer: "attn_q.weight" is "blk.<layer>.attn_q.weight".
  void begin_layer(std::uint32_t layer);

  /// Whether the file has a tensor.
  [[nodiscard]] bool has(std::string_view tensor) const { return file_.tensor(in_layer(tensor)) != nullptr; }
  void must_have(std::string_view tensor);  ///< of what is used where the file has it

  [[nodiscard]] ValueId hidden() const { return stream_; }  ///< [hidden]
  ValueId rms_norm(ValueId x, std::string_view weight);     ///< the same shape
  ValueId layer_norm(ValueId x, std::string_view weight);   ///< with "<name>.bias" where the file has it
  ValueId head_norm(ValueId x, std::string_view weight);    ///< over each head of [heads * head_dim]
  /// The same, but a LayerNorm without bias, of each head another. Cut by query heads or KV heads.
  ValueId head_layer_norm(ValueId x, std::string_view weight, Cut cut);
  /// Over the heads of all ranks. Cut by query heads or KV heads.
  ValueId projection_norm(ValueId x, std::string_view weight, Cut cut);
  ValueId matmul(ValueId x, std::string_view weight, Cut cut, Fused fused = {});
  void bias(ValueId x, std::string_view tensor, Cut cut, Fused fused = {});  ///< added in place, to a product's y
  void bias(ValueId x, std::string_view tensor);                             ///< the same of what is not cut
  void scale(ValueId x, float factor);                                       ///< in place
  void sigmoid_scale(ValueId y, ValueId x, std::string_view weight);         ///< y, in place, by the score weight * x
  /// -> [hidden], summed over the ranks. Cut by query heads or by an FFN's columns.
  ValueId row_parallel(ValueId x, std::string_view weight, Cut cut);
  void rope(ValueId x, std::optional<std::uint32_t> rotation);  ///< in place; of the model's rotations, or none

  /// Sends each row to the experts that the scores of a router, "ffn_gate_inp", choose: the routed rows, of which all
  /// is made up to combine(). `readers`: the products that read these; where all are of quantised weights, it is
  /// quantised rows that travel. Where the file has them, the scores' "<router>.bias", and of sigmoids'
  /// "exp_probs_b.bias", which counts for the choice alone. The biases of experts are "<weights>.bias",
  /// [experts][columns], where the file has them.
  ValueId dispatch(ValueId x, std::string_view router, std::span<const std::string_view> readers);
  ValueId expert_matmul(ValueId x, std::string_view weights);  ///< cut by the FFN's columns
  /// What the experts make of their rows, weighed and summed over the ranks: [hidden] of the rows that were dispatched.
  ValueId combine(ValueId x, std::string_view weights);

  void kv_append(ValueId k, ValueId v);
  /// Over the layer's KV cache, with a sink for each head, "attn_sinks.weight", where the file has it.
  ValueId attention(ValueId q, float scale, std::uint32_t window);
  ValueId gelu(ValueId x);
  ValueId silu_mul(ValueId gate, ValueId up);
  ValueId gelu_mul(ValueId gate, ValueId up);
  ValueId swiglu_oai(ValueId gate, ValueId up);
  void add(ValueId into, ValueId y);

  /// The ends of the model, where this shard holds them. The embedding comes before the layers, the head after their
  /// end.
  void embed();
  void end_layers();
  void head();

  [[nodiscard]] bool fine() const { return !error_; }  ///< whether take() will return a program, so far
  [[nodiscard]] Result<Program> take();

 private:
  void place_kv();
  void begin_layers();
  void spread_hidden();
  [[nodiscard]] bool shares_rows() const { return ranks_.row_ranks() > 1; }
  GroupId group(const char* name, std::uint32_t number, std::uint32_t size, std::uint32_t rank);
  GroupId tp();
  GroupId stage();
  GroupId rows();
  GroupId ep();
  SpaceId add_space(RowSpace space);
  ValueId value(std::string name, ValueType type, std::uint32_t columns);
  ValueId value_in(SpaceId space, std::string name, ValueType type, std::uint32_t columns);
  void append(ops::Any what);
  ValueId quantized(ValueId x);
  ValueId multiplied(ValueId x, WeightId weight);
  ValueId product(std::string name, ValueId x, WeightId matrix);
  ValueId column_parallel(std::string name, ValueId x, const std::string& matrix, std::uint32_t all, Range rows);
  ValueId sum_of_leaves(ValueId x, WeightId matrix);
  void sum_over_ranks(ValueId partial);
  ValueId of_all_rows(ValueId x);
  /// Where ranks that share out the rows share out the heads' attention, too: which of a layer's are one's.
  struct AttentionPart {
    Range query_heads, kv_heads;
  };
  [[nodiscard]] bool shares_attention(const LayerPart& part) const;
  [[nodiscard]] AttentionPart attention_part(const LayerShape& layer, const LayerPart& part,
                                             std::uint32_t row_rank) const;
  [[nodiscard]] AttentionPart own_attention() const;
  [[nodiscard]] std::vector<Range> head_columns(Range AttentionPart::*heads, Range here) const;
  ValueId exchanged(ValueId x, const std::vector<Range>& columns);
  ValueId exchanged_back(ValueId x, const std::vector<Range>& columns);
  ValueId attention_to(ValueId q, float scale, std::uint32_t window);
  ValueId attention_by_positions(ValueId q, float scale, std::uint32_t window);
  /// Of nodes of attention's tree: those that are found here, and those of this rank's rows.
  struct NodeSpaces {
    SpaceId found, gathered;
  };
  [[nodiscard]] NodeSpaces node_spaces(std::uint32_t window);
  ValueId sent(ValueId x, SpaceId to);
  void send_to_experts(ValueId& x, ValueId& choice, std::uint32_t experts);
  ValueId returned(ValueId sums);
  ValueId summed(ValueId partial);
  ValueId whole(ValueId x);
  void embed_into(ValueId y, const std::string& name, const FileTensor* table);
  void adapt(ValueId y, const std::string& matrix, Range rows, const std::function<ValueId(const LowRank&)>& inner);
  struct Rows {
    std::uint32_t all;
    Range part;
  };
  [[nodiscard]] Rows rows_of(Cut cut, Fused fused) const;
  const FileTensor* find(const std::string& name, std::uint64_t rows, std::uint64_t columns, std::uint64_t planes = 1);
  ValueId normed(ValueId x, const std::string& weight);
  WeightId vector_weight(const std::string& name, const FileTensor* tensor, Range part);
  WeightId vector_weight(const std::string& name, std::uint32_t columns, Range part) {
    return vector_weight(name, find(name, 1, columns), part);
  }
  WeightId vector_weight(const std::string& name, std::uint32_t columns) {
    return vector_weight(name, columns, {0, columns});
  }
  ValueId layer_normed(ValueId x, const std::string& weight);
  /// What a shard has of a matrix.
  struct MatrixPart {
    Range rows, leaves;
    std::uint32_t leaf_columns;
  };
  WeightId matrix_weight(const std::string& name, const FileTensor* tensor, const MatrixPart& part);
  std::vector<WeightId> expert_weights(const std::string& name, std::uint32_t rows, std::uint32_t columns,
                                       const MatrixPart& part);
  std::vector<WeightId> expert_biases(const std::string& name, std::uint32_t columns, Range part);
  [[nodiscard]] std::vector<std::uint32_t> experts_at(std::uint32_t layer, std::uint32_t rank) const;
  [[nodiscard]] std::vector<std::uint32_t> own_experts() const { return experts_at(layer_, ranks_.ep_rank()); }
  /// Of rows and their experts, one for all layers: those that are sent to the ranks that have them, those that have
  /// come, and one for each of their experts here.
  struct ExpertSpaces {
    SpaceId sent, guests, routed;
  };
  [[nodiscard]] const ExpertSpaces& expert_spaces();
  [[nodiscard]] ops::AttentionShape attention_shape(float scale, std::uint32_t window);
  WeightId sinks(Range query_heads);
  [[nodiscard]] std::string in_layer(std::string_view weight) const;
  void fail(Error error);

  const ModelFile& file_;
  const ModelDescription& model_;
  const GraphNode& shard_;
  RankGrid ranks_;
  std::span<const Adapter> adapters_;
  std::uint32_t layer_ = 0;
  LayerPart part_;  ///< of layer_
  Program program_;
  ValueId stream_ = 0;  ///< the hidden state of this rank's rows
  std::optional<ExpertSpaces> expert_spaces_;
  std::map<std::uint32_t, NodeSpaces> node_spaces_;  ///< by window
  std::map<ValueId, ValueId> quantized_;             ///< what is at hand, of values that have not changed since
  std::set<ValueId> parts_;                          ///< values of which ranks of tp may have a part of the rows each
  std::optional<Error> error_;
};

/// An architecture: one file that reads its numbers and describes its layers as ops.
struct Architecture {
  std::string_view name;  ///< "general.architecture"
  Result<ModelDescription> (*describe)(const ModelFile& file);
  void (*layer)(ProgramBuilder& builder, const ModelDescription& model, std::uint32_t layer);
  std::span<const KnownKey> keys;  ///< all that are known behind "<name>."; a file with any other is refused
};

/// The plain program of one shard, which stands so among the ranks of its stage.
[[nodiscard]] Result<Program> build_program(const Architecture& architecture, const ModelFile& file,
                                            const ModelDescription& model, const GraphNode& shard,
                                            const RankGrid& ranks, std::span<const Adapter> adapters = {});

}  // namespace troupe
