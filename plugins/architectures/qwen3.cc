#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "qwen3", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
}

Result<ModelDescription> describe_with_experts(const ModelFile& file) {
  return describe_transformer(file, "qwen3moe",
                              {.default_theta = 10000.0,
                               .rope_style = kernels::RopeStyle::halves,
                               .experts = TransformerDefaults::Experts{.normalised = true}});
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  pre_norm_layer(b, model, layer, norm_heads);
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

constexpr auto keys_with_experts = replaced<keys, expert_keys>();

}  // namespace

/// Qwen3, dense: a norm of each head of queries and keys instead of biases (Qwen3 technical report, 2025).
extern const Architecture qwen3{"qwen3", describe, layer, keys};

/// Its kin with experts.
extern const Architecture qwen3moe{"qwen3moe", describe_with_experts, layer, keys_with_experts};

}  // namespace troupe::plugins
