#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

/// Layers with a window, which OLMo 3 has, are not stretched.
Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "olmo2", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  if (const auto done = read_windows(file, "olmo2", {.period = 4}, *model); !done) return done.error();
  const RotationShape& whole = model->rotations[0];
  const RotationShape local{whole.style, whole.dims, whole.theta};
  if (const auto done = rotate_windows(file, "olmo2", local, *model); !done) return done.error();
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = norm_projections(b, project(b, shape, b.hidden()));
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

/// OLMo 2 and 3: norms behind each half layer alone, and over all queries, and all keys, of a token (OLMo team, 2024).
extern const Architecture olmo2{"olmo2", describe, layer, keys};

}  // namespace troupe::plugins
