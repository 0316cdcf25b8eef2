#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model = describe_transformer(file, "phi3", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves});
  if (!model) return model;
  // Files with a context of 131072 have windows beyond it.
  if (const auto done = read_one_window(file, "phi3", 0, *model); !done) return done.error();
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  b.add(b.hidden(), fused_gated_ffn(b, shape, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::silu));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   used("attention.sliding_window"),
                                                   neutral("hidden_activation", "silu"),
                                               }));

}  // namespace

/// Phi-3, 3.5 and 4: a llama with fused products, in part rotated, and LongRoPE (Phi-3 technical report, 2024).
extern const Architecture phi3{"phi3", describe, layer, keys};

}  // namespace troupe::plugins
