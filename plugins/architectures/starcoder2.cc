#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model = describe_transformer(
      file, "starcoder2", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves, .norm = Norm::layer});
  if (!model) return model;
  constexpr std::uint64_t trained_with = 4096;  // by its paper; files do not say it
  if (const auto done = read_one_window(file, "starcoder2", trained_with, *model); !done) return done.error();
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = project(b, shape, b.layer_norm(b.hidden(), "attn_norm.weight"));
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  b.add(b.hidden(), plain_ffn(b, b.layer_norm(b.hidden(), "ffn_norm.weight")));
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.layer_norm_epsilon"),
    harmless("attention.layer_norm_rms_epsilon", "its norms are of another kind"),
    used("attention.sliding_window"),
    neutral("hidden_activation", "gelu_pytorch_tanh"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// StarCoder2: LayerNorm, a plain FFN with GELU, and biases everywhere (Lozhkov et al. 2024).
extern const Architecture starcoder2{"starcoder2", describe, layer, keys};

}  // namespace troupe::plugins
