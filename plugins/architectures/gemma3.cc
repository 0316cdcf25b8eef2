#include <cmath>

#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "gemma3", {.default_theta = 1000000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  if (const auto done = read_windows(file, "gemma3", {.period = 6}, *model); !done) return done.error();
  // Local layers are not stretched.
  const RotationShape local{model->rotations[0].style, model->rotations[0].dims, 10000.0};
  if (const auto done = rotate_windows(file, "gemma3", local, *model); !done) return done.error();
  Reader read(file, "gemma3");
  model->logit_softcap = static_cast<float>(read.factor("final_logit_softcapping", 0.0));
  if (read.error()) return *read.error();
  model->embedding_scale = std::sqrt(static_cast<float>(model->hidden));
  constexpr std::uint32_t layers_of_27b = 62;
  if (model->layer_count() == layers_of_27b) scale_by_width(*model);
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = norm_heads(b, project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight")));
  rotate(b, shape, of);
  b.add(b.hidden(), b.rms_norm(attend(b, model, shape, of), "post_attention_norm.weight"));
  const ValueId f = gated_ffn(b, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::gelu);
  b.add(b.hidden(), b.rms_norm(f, "post_ffw_norm.weight"));
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.sliding_window"),
    used("attention.sliding_window_pattern"),
    used("rope.freq_base_swa"),
    used("final_logit_softcapping"),
    neutral("hidden_activation", "gelu_pytorch_tanh"),
    neutral("tensor_data_layout", "reference"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// Gemma 3: norms before and after each half layer, per-head norms of q and k, GeGLU, five layers with a sliding window
/// and their own rotary base to every one that sees all (Gemma 3 technical report, 2025).
extern const Architecture gemma3{"gemma3", describe, layer, keys};

}  // namespace troupe::plugins
