#include <algorithm>
#include <cmath>

#include "plugins/architectures/common.hpp"
#include "runtime/program/builder.hpp"

namespace troupe::plugins {
namespace {

constexpr double local_theta = 10000.0;
constexpr std::uint64_t usual_period = 6;
constexpr std::string_view pattern_key = "gemma3.attention.sliding_window_pattern";

/// Which layers are local: the pattern says it of each, or after how many one is global (0: none is).
Result<std::vector<bool>> local_layers(const ModelFile& file, std::uint32_t layers) {
  std::vector<bool> local(layers);
  const MetaValue* value = file.find(pattern_key);
  const auto* array = value == nullptr ? nullptr : std::get_if<MetaArray>(value);
  if (array == nullptr) {
    const auto period = file.integer_or(pattern_key, usual_period);
    if (!period) return period.error();
    for (std::uint32_t i = 0; i < layers; ++i) local[i] = *period == 0 || (i + 1) % *period != 0;
    return local;
  }
  const auto truths = array->truths();
  if (truths.size() != layers) {
    return Error(Code::bad_file, file.path + ": " + std::string(pattern_key) + " is " + shown_value(*value) +
                                     "; expected a number, or a boolean for each of the " + std::to_string(layers) +
                                     " layers");
  }
  return truths;
}

/// Without a window every layer is global.
Result<void> read_window(const ModelFile& file, ModelDescription& model) {
  const auto window = file.integer_or("gemma3.attention.sliding_window", 0);
  if (!window) return window.error();
  if (*window > model.context) {
    return Error(Code::bad_file, file.path + ": gemma3.attention.sliding_window is " + std::to_string(*window) +
                                     "; the context is only " + std::to_string(model.context));
  }
  const auto local = local_layers(file, model.layer_count());
  if (!local) return local.error();
  const auto theta = file.number_or("gemma3.rope.freq_base_swa", local_theta);
  if (!theta) return theta.error();
  if (!(*theta > 0.0) || !std::isfinite(*theta)) {
    return Error(Code::bad_file,
                 file.path + ": gemma3.rope.freq_base_swa is " + shown_value(*theta) + "; it must be positive");
  }
  if (*window == 0) return {};
  model.rotations.push_back(model.rotations[0]);
  model.rotations[1].theta = *theta;
  for (std::uint32_t layer = 0; layer < model.layer_count(); ++layer) {
    if (!(*local)[layer]) continue;
    model.layers[layer].window = static_cast<std::uint32_t>(*window);
    model.layers[layer].rotation = 1;
  }
  return {};
}

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "gemma3", {.default_theta = 1000000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  if (const auto read = read_window(file, *model); !read) return read.error();
  model->embedding_scale = std::sqrt(static_cast<float>(model->hidden));
  // The 27B scales by what a head would have of the width (Gemma 3 technical report; gemma_pytorch, config.py).
  constexpr std::uint32_t layers_of_27b = 62;
  if (model->layer_count() == layers_of_27b) {
    model->attention_scale = 1.0F / std::sqrt(static_cast<float>(std::max(1U, model->hidden / model->layers[0].heads)));
  }
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];

  const ValueId x = b.rms_norm(b.hidden(), "attn_norm.weight");
  const ValueId raw_q = b.matmul(x, "attn_q.weight", Cut::query_heads);
  const ValueId raw_k = b.matmul(x, "attn_k.weight", Cut::kv_heads);
  const ValueId v = b.matmul(x, "attn_v.weight", Cut::kv_heads);
  const ValueId q = b.head_norm(raw_q, "attn_q_norm.weight");
  const ValueId k = b.head_norm(raw_k, "attn_k_norm.weight");
  b.rope(q, shape.rotation);
  b.rope(k, shape.rotation);
  b.kv_append(k, v);
  const ValueId o = b.attention(q, model.attention_scale, shape.window);
  const ValueId a = b.row_parallel(o, "attn_output.weight", Cut::query_heads);
  b.add(b.hidden(), b.rms_norm(a, "post_attention_norm.weight"));

  const ValueId y = b.rms_norm(b.hidden(), "ffn_norm.weight");
  const ValueId gate = b.matmul(y, "ffn_gate.weight", Cut::ffn);
  const ValueId up = b.matmul(y, "ffn_up.weight", Cut::ffn);
  const ValueId f = b.row_parallel(b.gelu_mul(gate, up), "ffn_down.weight", Cut::ffn);
  b.add(b.hidden(), b.rms_norm(f, "post_ffw_norm.weight"));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   used("attention.sliding_window"),
                                                   used("attention.sliding_window_pattern"),
                                                   used("rope.freq_base_swa"),
                                                   neutral("hidden_activation", "gelu_pytorch_tanh"),
                                                   neutral("tensor_data_layout", "reference"),
                                               }));

}  // namespace

/// Gemma 3: norms before and after each half layer, per-head norms of q and k, GeGLU, five layers with a sliding window
/// and their own rotary base to every one that sees all (Gemma 3 technical report, 2025).
extern const Architecture gemma3{"gemma3", describe, layer, keys};

}  // namespace troupe::plugins
