#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  // Of the 12B alone, and of each head another one.
  if (file.tensor("blk.0.attn_q_norm.weight") != nullptr) {
    return Error(Code::unsupported, file.path +
                                        ": norms of queries and keys (blk.0.attn_q_norm.weight) are not run "
                                        "yet in architecture stablelm");
  }
  return describe_transformer(
      file, "stablelm", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves, .norm = Norm::layer});
}

/// Without a norm of its own the FFN works on what attention does, beside it.
void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const ValueId x = b.layer_norm(b.hidden(), "attn_norm.weight");
  const Projections of = project(b, shape, x);
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  const ValueId y = b.has("ffn_norm.weight") ? b.layer_norm(b.hidden(), "ffn_norm.weight") : x;
  b.add(b.hidden(), gated_ffn(b, y, Activation::silu));
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.layer_norm_epsilon"),
    harmless("attention.layer_norm_rms_epsilon", "its norms are of another kind"),
    harmless("use_parallel_residual", "that there is no ffn_norm says it"),
    neutral("attention.sliding_window", "0"),
    neutral("hidden_activation", "silu"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// StableLM and StableLM 2: LayerNorm, and heads that are rotated in part (Stability AI, 2023 and 2024).
extern const Architecture stablelm{"stablelm", describe, layer, keys};

}  // namespace troupe::plugins
