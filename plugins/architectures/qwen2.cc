#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "qwen2", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
}

Result<ModelDescription> describe_with_experts(const ModelFile& file) {
  return describe_transformer(file, "qwen2moe",
                              {.default_theta = 10000.0,
                               .rope_style = kernels::RopeStyle::halves,
                               .experts = TransformerDefaults::Experts{
                                   .normalised = false, .shared = TransformerDefaults::Experts::Shared::wide}});
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

constexpr auto shared_expert_keys =
    joined(expert_keys, std::to_array<KnownKey>({used("expert_shared_feed_forward_length")}));
constexpr auto keys_with_experts = replaced<keys, shared_expert_keys>();

}  // namespace

/// Qwen2 and 2.5: a llama whose queries, keys and values have biases, with rotated halves (Qwen2 technical report,
/// 2024).
extern const Architecture qwen2{"qwen2", describe, pre_norm_layer, keys};

/// Its kin with experts, one of which every row goes to, weighed by a sigmoid (Qwen1.5-MoE, 2024).
extern const Architecture qwen2moe{"qwen2moe", describe_with_experts, pre_norm_layer, keys_with_experts};

}  // namespace troupe::plugins
