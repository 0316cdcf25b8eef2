#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(
      file, "stablelm", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves, .norm = Norm::layer});
}

/// Of the 12B alone.
Projections norm_each_head(ProgramBuilder& b, Projections of) {
  if (!b.has("attn_q_norm.weight") && !b.has("attn_k_norm.weight")) return of;
  return {b.head_layer_norm(of.q, "attn_q_norm.weight", Cut::query_heads),
          b.head_layer_norm(of.k, "attn_k_norm.weight", Cut::kv_heads), of.v};
}

/// Without a norm of its own the FFN works on what attention does, beside it.
void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const ValueId x = b.layer_norm(b.hidden(), "attn_norm.weight");
  const Projections of = norm_each_head(b, project(b, shape, x));
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  const ValueId y = b.has("ffn_norm.weight") ? b.layer_norm(b.hidden(), "ffn_norm.weight") : x;
  b.add(b.hidden(), gated_ffn(b, y, Activation::silu));
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.layer_norm_epsilon"),
    harmless("attention.layer_norm_rms_epsilon", "its norms are of another kind"),
    harmless("use_parallel_residual", "that there is no ffn_norm says it"),
    neutral("attention.sliding_window", "0"),
    neutral("hidden_activation", "silu"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// StableLM and StableLM 2: LayerNorm, of heads too in the 12B, and heads that are rotated in part (Stability AI, 2023
/// and 2024).
extern const Architecture stablelm{"stablelm", describe, layer, keys};

}  // namespace troupe::plugins
