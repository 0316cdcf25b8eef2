#include "plugins/architectures/common.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "llama",
                              {.default_theta = 10000.0,
                               .rope_style = kernels::RopeStyle::adjacent,
                               .experts = TransformerDefaults::Experts{.normalised = true}});
}

constexpr auto own_keys = joined(expert_keys, std::to_array<KnownKey>({
                                                  neutral("attention.sliding_window", "0"),
                                                  neutral("embedding_scale", "1"),
                                                  neutral("hidden_activation", "silu"),
                                                  // Both say that rotated pairs are neighbours in q and k.
                                                  neutral("tensor_data_layout", "reference|Meta AI original pth"),
                                              }));

constexpr auto keys = replaced<transformer_keys, own_keys>();

}  // namespace

/// Llama and its kin: pre-norm, rotary embedding of adjacent pairs, grouped queries, SwiGLU (Touvron et al. 2023); with
/// experts Mixtral (Jiang et al. 2024).
extern const Architecture llama{"llama", describe, pre_norm_layer, keys};

}  // namespace troupe::plugins
