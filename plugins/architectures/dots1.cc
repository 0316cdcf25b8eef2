#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

using Experts = TransformerDefaults::Experts;

/// As files number it; 0 says nothing.
Result<Gating> read_gating(const ModelFile& file) {
  const std::string key = "dots1.expert_gating_func";
  const auto number = file.integer_or(key, 0);
  if (!number) return number.error();
  if (*number == 1) return Gating::softmax;
  if (*number == 0 || *number == 2) return Gating::sigmoid;
  return Error(Code::unsupported,
               file.path + ": " + key + " is " + std::to_string(*number) + "; known are 1 (softmax) and 2 (sigmoid)");
}

Result<ModelDescription> describe(const ModelFile& file) {
  const auto gating = read_gating(file);
  if (!gating) return gating.error();
  const Experts experts{
      .normalised = false, .shared = Experts::Shared::counted, .gating = *gating, .leading_dense = true};
  return describe_transformer(file, "dots1",
                              {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::halves, .experts = experts});
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  pre_norm_layer(b, model, layer, norm_heads);
}

constexpr auto own_keys = std::to_array<KnownKey>({
    used("leading_dense_block_count"),
    used("expert_shared_count"),
    used("expert_gating_func"),
    neutral("attention.sliding_window", "0"),
    neutral("hidden_activation", "silu"),
});
constexpr auto with_experts = replaced<transformer_keys, expert_keys>();
constexpr auto keys = replaced<with_experts, own_keys>();

}  // namespace

/// dots.llm1: a Qwen3 whose experts are weighed by sigmoids and chosen with a bias, beside some that every row goes to;
/// its first layers have none (Huo et al. 2025).
extern const Architecture dots1{"dots1", describe, layer, keys};

}  // namespace troupe::plugins
