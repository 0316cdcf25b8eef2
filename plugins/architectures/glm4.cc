#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "glm4", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::adjacent});
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  rotate(b, shape, of);
  b.add(b.hidden(), b.rms_norm(attend(b, model, shape, of), "post_attention_norm.weight"));
  const ValueId f = fused_gated_ffn(b, shape, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::silu);
  b.add(b.hidden(), b.rms_norm(f, "post_ffw_norm.weight"));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

}  // namespace

/// GLM-4-0414: norms before and after each half layer, adjacent pairs of half a head rotated, gate and up in one tensor
/// (Zhipu AI, 2025).
extern const Architecture glm4{"glm4", describe, layer, keys};

}  // namespace troupe::plugins
