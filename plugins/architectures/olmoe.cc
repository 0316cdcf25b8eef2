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
  pre_norm_layer(b, model, layer, norm_projections);
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
