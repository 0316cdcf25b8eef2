#include <cmath>

#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

/// 0, or nothing to add to: no cap.
float read_cap(Reader& read, const char* name, double usual) {
  return read.number(name, usual) == 0.0 ? 0.0F : static_cast<float>(read.positive(name, usual));
}

Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "gemma2", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  if (const auto done = read_windows(file, "gemma2", {.positions = 4096, .period = 2}, *model); !done) {
    return done.error();
  }
  if (const auto done = rotate_windows(file, "gemma2", model->rotations[0], *model); !done) return done.error();
  Reader read(file, "gemma2");
  model->attention_softcap = read_cap(read, "attn_logit_softcapping", 50.0);
  model->logit_softcap = read_cap(read, "final_logit_softcapping", 30.0);
  if (read.error()) return *read.error();
  model->embedding_scale = std::sqrt(static_cast<float>(model->hidden));
  constexpr std::uint32_t layers_of_27b = 46;
  if (model->layer_count() == layers_of_27b) scale_by_width(*model);
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  rotate(b, shape, of);
  b.add(b.hidden(), b.rms_norm(attend(b, model, shape, of), "post_attention_norm.weight"));
  const ValueId f = gated_ffn(b, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::gelu);
  b.add(b.hidden(), b.rms_norm(f, "post_ffw_norm.weight"));
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.sliding_window"),
    used("attention.sliding_window_pattern"),
    used("rope.freq_base_swa"),
    used("attn_logit_softcapping"),
    used("final_logit_softcapping"),
    neutral("hidden_activation", "gelu_pytorch_tanh"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// Gemma 2: norms before and after each half layer, a window in every second one, softcapped scores and logits (Gemma 2
/// technical report, 2024).
extern const Architecture gemma2{"gemma2", describe, layer, keys};

}  // namespace troupe::plugins
