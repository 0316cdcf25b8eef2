#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "olmoe",
                              {.default_theta = 10000.0,
                               .rope_style = kernels::RopeStyle::halves,
                               .experts = TransformerDefaults::Experts{.normalised = false}});
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  of.q = b.projection_norm(of.q, "attn_q_norm.weight", Cut::query_heads);
  of.k = b.projection_norm(of.k, "attn_k_norm.weight", Cut::kv_heads);
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  b.add(b.hidden(), gated_or_expert_ffn(b, shape, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::silu));
}

constexpr auto own_keys = joined(expert_keys, std::to_array<KnownKey>({
                                                  neutral("attention.sliding_window", "0"),
                                                  neutral("hidden_activation", "silu"),
                                              }));
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// OLMoE: experts, and norms over all queries, and all keys, of a token (Muennighoff et al. 2024).
extern const Architecture olmoe{"olmoe", describe, layer, keys};

}  // namespace troupe::plugins
