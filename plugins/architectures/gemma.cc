#include <cmath>

#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "gemma", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
  if (model) model->embedding_scale = std::sqrt(static_cast<float>(model->hidden));
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  b.add(b.hidden(), gated_ffn(b, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::gelu));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "gelu_pytorch_tanh"),
                                               }));

}  // namespace

/// Gemma: a llama with GeGLU whose embedding is multiplied by the root of its width (Gemma technical report, 2024).
extern const Architecture gemma{"gemma", describe, layer, keys};

}  // namespace troupe::plugins
