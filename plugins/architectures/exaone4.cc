#include <algorithm>

#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

/// Where layers have windows, the others know no positions.
Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "exaone4", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  constexpr std::uint32_t layers_of_32b = 64;  // whose early files do not say that it has them
  const WindowDefaults usual{.positions = model->layer_count() == layers_of_32b ? 4096U : 0U, .period = 4};
  if (const auto done = read_windows(file, "exaone4", usual, *model); !done) return done.error();
  if (const auto done = rotate_windows(file, "exaone4", model->rotations[0], *model); !done) return done.error();
  const bool hybrid = std::any_of(model->layers.begin(), model->layers.end(), [](auto& l) { return l.window != 0; });
  for (LayerShape& layer : model->layers) {
    if (hybrid && layer.window == 0) layer.rotation.reset();
  }
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = norm_heads(b, project(b, shape, b.hidden()));
  rotate(b, shape, of);
  b.add(b.hidden(), b.rms_norm(attend(b, model, shape, of), "post_attention_norm.weight"));
  b.add(b.hidden(), b.rms_norm(gated_ffn(b, b.hidden(), Activation::silu), "post_ffw_norm.weight"));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   used("attention.sliding_window"),
                                                   used("attention.sliding_window_pattern"),
                                                   used("rope.freq_base_swa"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

}  // namespace

/// EXAONE 4: norms behind each half layer alone and of each head; the 32B has windows (LG AI Research, 2025).
extern const Architecture exaone4{"exaone4", describe, layer, keys};

}  // namespace troupe::plugins
