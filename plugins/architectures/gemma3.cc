#include "plugins/architectures/gemma3.hpp"

#include <cmath>

#include "plugins/architectures/common.hpp"

namespace troupe::plugins {
namespace {

constexpr double local_theta = 10000.0;
constexpr std::uint32_t global_every = 6;

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "gemma3", {.default_theta = 1000000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  const auto window = file.integer_or("gemma3.attention.sliding_window", 0);
  if (!window) return window.error();
  if (*window > model->context) {
    return Error(Code::bad_file, file.path + ": gemma3.attention.sliding_window is " + std::to_string(*window) +
                                     "; the context is only " + std::to_string(model->context));
  }
  model->window = static_cast<std::uint32_t>(*window);
  model->rope_thetas.push_back(local_theta);
  model->embedding_scale = std::sqrt(static_cast<float>(model->hidden));
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const bool global = (layer + 1) % global_every == 0;
  const std::uint32_t theta = global ? 0 : 1;

  const ValueId x = b.quantize(b.rms_norm(b.hidden(), "attn_norm.weight"));
  const ValueId raw_q = b.matmul(x, "attn_q.weight", Rows::query_heads);
  const ValueId raw_k = b.matmul(x, "attn_k.weight", Rows::kv_heads);
  const ValueId v = b.matmul(x, "attn_v.weight", Rows::kv_heads);
  const ValueId q = b.head_norm(raw_q, "attn_q_norm.weight");
  const ValueId k = b.head_norm(raw_k, "attn_k_norm.weight");
  b.rope(q, theta);
  b.rope(k, theta);
  b.kv_append(k, v);
  const ValueId o = b.attention(q, 1.0F / std::sqrt(static_cast<float>(model.head_dim)), global ? 0 : model.window);
  const ValueId a = b.row_parallel(b.quantize(o), "attn_output.weight", Cut::attention);
  b.add(b.hidden(), b.rms_norm(a, "post_attention_norm.weight"));

  const ValueId y = b.quantize(b.rms_norm(b.hidden(), "ffn_norm.weight"));
  const ValueId gate = b.matmul(y, "ffn_gate.weight", Rows::ffn);
  const ValueId up = b.matmul(y, "ffn_up.weight", Rows::ffn);
  const ValueId f = b.row_parallel(b.quantize(b.gelu_mul(gate, up)), "ffn_down.weight", Cut::ffn);
  b.add(b.hidden(), b.rms_norm(f, "post_ffw_norm.weight"));
}

}  // namespace

extern const Architecture gemma3{"gemma3", describe, layer};

}  // namespace troupe::plugins
