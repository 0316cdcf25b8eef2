#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

/// Layers that see all know no positions.
Result<ModelDescription> describe(const ModelFile& file) {
  auto model = describe_transformer(
      file, "cohere2", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::adjacent, .norm = Norm::layer});
  if (!model) return model;
  if (const auto window = file.integer("cohere2.attention.sliding_window"); !window) return window.error();
  if (const auto scale = file.number("cohere2.logit_scale"); !scale) return scale.error();
  if (const auto done = read_windows(file, "cohere2", {.period = 4}, *model); !done) return done.error();
  if (const auto done = rotate_windows(file, "cohere2", model->rotations[0], *model); !done) return done.error();
  for (LayerShape& layer : model->layers) {
    if (layer.window == 0) layer.rotation.reset();
  }
  Reader read(file, "cohere2");
  model->logit_scale = static_cast<float>(read.factor("logit_scale"));
  if (read.error()) return *read.error();
  return model;
}

/// Attention and FFN side by side.
void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const ValueId x = b.layer_norm(b.hidden(), "attn_norm.weight");
  const Projections of = project(b, shape, x);
  rotate(b, shape, of);
  const ValueId attended = attend(b, model, shape, of);
  const ValueId f = gated_ffn(b, x, Activation::silu);
  b.add(b.hidden(), attended);
  b.add(b.hidden(), f);
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.layer_norm_epsilon"),
    harmless("attention.layer_norm_rms_epsilon", "its norms are of another kind"),
    used("attention.sliding_window"),
    used("attention.sliding_window_pattern"),
    used("rope.freq_base_swa"),
    used("logit_scale"),
    neutral("hidden_activation", "silu"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// Command R7B: half layers side by side, LayerNorm without bias, windows and no positions in turn (Cohere, 2024).
extern const Architecture cohere2{"cohere2", describe, layer, keys};

}  // namespace troupe::plugins
