#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

/// The second rotation is the queries', which grow with the position beyond the original context.
Result<ModelDescription> describe(const ModelFile& file) {
  auto model =
      describe_transformer(file, "mistral3", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::adjacent});
  if (!model) return model;
  Reader read(file, "mistral3");
  RotationShape queries = model->rotations[0];
  queries.temperature = {read.number("attention.temperature_scale", 0.0),
                         read.integer("rope.scaling.original_context_length", 1U << 24, model->context)};
  const bool whole = queries.dims == model->layers[0].head_dim;
  if (queries.temperature.scale != 0.0 && (!whole || !std::isfinite(queries.temperature.scale))) {
    read.fail({Code::unsupported, file.path + ": mistral3.attention.temperature_scale is " +
                                      shown_value(queries.temperature.scale) +
                                      "; it must be a number, and heads must be rotated whole"});
  }
  if (read.error()) return *read.error();
  model->rotations.push_back(std::move(queries));
  return model;
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  const Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  b.rope(of.q, 1);
  b.rope(of.k, 0);
  b.add(b.hidden(), attend(b, model, shape, of));
  b.add(b.hidden(), gated_ffn(b, b.rms_norm(b.hidden(), "ffn_norm.weight"), Activation::silu));
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("attention.temperature_scale"),
    neutral("attention.sliding_window", "0"),
    neutral("hidden_activation", "silu"),
});
constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// Ministral 3: a llama with YaRN whose queries are scaled by the logarithm of the position (Mistral AI, 2025).
extern const Architecture mistral3{"mistral3", describe, layer, keys};

}  // namespace troupe::plugins
