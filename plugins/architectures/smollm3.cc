#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "smollm3", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::adjacent});
  if (!model) return model;
  constexpr std::uint32_t period = 4;  // no key says it
  for (std::uint32_t layer = period - 1; layer < model->layer_count(); layer += period) {
    model->layers[layer].rotation.reset();
  }
  return model;
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

}  // namespace

/// SmolLM3: a llama in which every fourth layer knows no positions (Hugging Face, 2025; Yang et al. 2025).
extern const Architecture smollm3{"smollm3", describe, pre_norm_layer, keys};

}  // namespace troupe::plugins
