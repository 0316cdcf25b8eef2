#include "plugins/architectures/common.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kv_layout.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/rotations.hpp"

namespace troupe::plugins {
namespace {

/// How many of the first layers have no experts.
std::size_t leading_dense(Reader& read, std::size_t layers) {
  const auto count = read.file().integer_or(read.key("leading_dense_block_count"), 0);
  if (!count) return read.fail(count.error()), 0;
  if (*count <= layers) return *count;
  read.fail({Code::bad_file, read.file().path + ": " + read.key("leading_dense_block_count") + " is " +
                                 std::to_string(*count) + "; the model has " + std::to_string(layers) + " layers"});
  return 0;
}

/// Layers that have some are alike in this.
void read_experts(Reader& read, std::optional<TransformerDefaults::Experts> defaults, ModelDescription& model) {
  const MetaValue* count = read.file().find(read.key("expert_count"));
  if (!defaults || count == nullptr || shown_value(*count) == "0") return read.must_have_no_experts();
  constexpr std::uint32_t most = 4096;
  const std::uint32_t experts = read.integer("expert_count", most);
  model.experts = {read.integer("expert_used_count", experts), read.truth("expert_weights_norm", defaults->normalised),
                   static_cast<float>(read.factor("expert_weights_scale")), defaults->gating};
  using Shared = TransformerDefaults::Experts::Shared;
  const std::size_t first = defaults->leading_dense ? leading_dense(read, model.layers.size()) : 0;
  for (std::size_t i = first; i < model.layers.size(); ++i) {
    LayerShape& layer = model.layers[i];
    const std::uint32_t dense = layer.ffn;
    layer.experts = experts;
    layer.ffn = read.integer("expert_feed_forward_length", 1U << 20, layer.ffn);
    read.must_have_leaves("expert_feed_forward_length", layer.ffn, layer.ffn_leaves());
    if (defaults->shared == Shared::none) continue;
    const bool counted = defaults->shared == Shared::counted;
    const char* const key = counted ? "expert_shared_count" : "expert_shared_feed_forward_length";
    layer.shared_ffn = counted ? read.integer(key, 64) * layer.ffn : read.integer(key, 1U << 20, dense);
    read.must_have_leaves(key, layer.shared_ffn, layer.shared_leaves());
  }
}

}  // namespace

Result<ModelDescription> describe_transformer(const ModelFile& file, std::string_view prefix,
                                              TransformerDefaults defaults) {
  Reader read(file, prefix);
  ModelDescription model;
  model.architecture = prefix;
  const std::uint32_t layers = read.integer("block_count", 4096);
  model.hidden = read.integer("embedding_length", 1U << 18);
  const auto ffn = read.of_layers("feed_forward_length", layers, 1U << 20);
  const auto heads = read.of_layers("attention.head_count", layers, 4096);
  const auto kv_heads = read.kv_heads(layers, heads);
  const std::uint32_t head_dim =
      read.integer("attention.key_length", kernels::max_head_dim, model.hidden / heads.front());
  model.context = read.integer("context_length", 1U << 24);
  model.norm = defaults.norm;
  const char* epsilon = model.norm == Norm::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  model.norm_epsilon = static_cast<float>(read.positive(epsilon));
  model.rotations = {read_rotation(read, defaults, head_dim, model.context)};
  model.described = {frequency_factors, long_factors, short_factors};
  model.attention_scale = 1.0F / std::sqrt(static_cast<float>(head_dim));

  read.must_divide("attention.key_length", head_dim, kernels::head_dim_unit, "");
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const LayerShape shape{heads[layer], kv_heads[layer], head_dim, ffn[layer]};
    read.must_divide("attention.head_count", shape.heads, shape.kv_heads, ", the number of KV heads");
    read.must_have_leaves("attention.head_count", shape.heads, shape.attention_leaves());
    read.must_have_leaves("feed_forward_length", shape.ffn, shape.ffn_leaves());
    model.layers.push_back(shape);
  }
  for (const char* name : {"attention.value_length", "attention.key_length_swa", "attention.value_length_swa"}) {
    read.must_equal_if_given(name, head_dim, "the key length");
  }
  read.must_equal_if_given("rope.dimension_count_swa", model.rotations[0].dims, "as in the other layers");
  read_experts(read, defaults.experts, model);
  if (read.error()) return *read.error();

  const FileTensor* embedding = file.tensor("token_embd.weight");
  if (embedding == nullptr) return Error(Code::bad_file, file.path + ": tensor token_embd.weight is missing");
  if (embedding->rows < 1 || embedding->rows > 1U << 24) {
    return Error(Code::bad_file, file.path + ": token_embd.weight has " + std::to_string(embedding->rows) +
                                     " rows; a vocabulary has between 1 and 16777216");
  }
  model.vocabulary = static_cast<std::uint32_t>(embedding->rows);
  model.ends = {"token_embd.weight", "output_norm.weight",
                file.tensor("output.weight") != nullptr ? "output.weight" : "token_embd.weight"};
  return model;
}

void scale_by_width(ModelDescription& model) {
  model.attention_scale = 1.0F / std::sqrt(static_cast<float>(std::max(1U, model.hidden / model.layers[0].heads)));
}

}  // namespace troupe::plugins
