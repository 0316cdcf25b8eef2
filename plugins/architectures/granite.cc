#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "granite", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::adjacent});
  if (!model) return model;
  Reader read(file, "granite");
  model->embedding_scale = static_cast<float>(read.factor("embedding_scale"));
  model->residual_scale = static_cast<float>(read.factor("residual_scale"));
  model->attention_scale = static_cast<float>(read.factor("attention.scale", model->attention_scale));
  model->logit_scale = 1.0F / static_cast<float>(read.positive("logit_scale"));
  // The key says whether positions are rotated in at all.
  if (!read.truth("rope.scaling.finetuned", true)) {
    for (LayerShape& layer : model->layers) layer.rotation.reset();
  }
  if (read.error()) return *read.error();
  return model;
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("embedding_scale"),
    used("residual_scale"),
    used("attention.scale"),
    used("logit_scale"),
    used("rope.scaling.finetuned"),
    neutral("attention.sliding_window", "0"),
    neutral("deepstack_mapping", "-1"),
    neutral("hidden_activation", "silu"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// Granite 3 and 4, dense: a llama with scales of the embedding, of scores, of what is added, and of logits (IBM,
/// 2024).
extern const Architecture granite{"granite", describe, pre_norm_layer, keys};

}  // namespace troupe::plugins
