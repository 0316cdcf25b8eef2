#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "qwen3", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = norm_heads(b, project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight")));
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  b.add(b.hidden(), gated_ffn(b, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::silu));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

}  // namespace

/// Qwen3, dense: a norm of each head of queries and keys instead of biases (Qwen3 technical report, 2025).
extern const Architecture qwen3{"qwen3", describe, layer, keys};

}  // namespace troupe::plugins
