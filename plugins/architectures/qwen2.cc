#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "qwen2", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

}  // namespace

/// Qwen2 and 2.5: a llama whose queries, keys and values have biases, with rotated halves (Qwen2 technical report,
/// 2024).
extern const Architecture qwen2{"qwen2", describe, pre_norm_layer, keys};

}  // namespace troupe::plugins
