#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"
#include "plugins/architectures/sublayers.hpp"
#include "plugins/architectures/windows.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  auto model = describe_transformer(
      file, "gpt-oss",
      {.default_theta = 10000.0,
       .rope_style = kernels::RopeStyle::halves,
       .experts = TransformerDefaults::Experts{.normalised = false, .gating = Gating::softmax_of_chosen},
       .yarn_in_whole_pairs = false});
  if (!model) return model;
  Reader read(file, "gpt-oss");
  (void)read.integer("expert_count", 4096);  // it has no other layers
  (void)read.integer("attention.sliding_window", 1U << 24);
  if (read.error()) return *read.error();
  if (const auto done = read_windows(file, "gpt-oss", {.period = 2}, *model); !done) return done.error();
  if (const auto done = rotate_windows(file, "gpt-oss", model->rotations[0], *model); !done) return done.error();
  return model;
}

/// What other architectures have where a file has it is part of this one.
constexpr const char* needed[] = {"attn_sinks.weight",  "attn_q.bias",      "attn_k.bias",
                                  "attn_v.bias",        "attn_output.bias", "ffn_gate_inp.bias",
                                  "ffn_gate_exps.bias", "ffn_up_exps.bias", "ffn_down_exps.bias"};

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  const LayerShape& shape = model.layers[layer];
  for (const char* tensor : needed) b.must_have(tensor);
  const Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  rotate(b, shape, of);
  b.add(b.hidden(), attend(b, model, shape, of));
  const ValueId x = b.rms_norm(b.hidden(), "post_attention_norm.weight");
  b.add(b.hidden(), expert_ffn(b, x, Activation::swiglu_oai));
}

constexpr auto own_keys = joined(expert_keys, std::to_array<KnownKey>({
                                                  used("attention.sliding_window"),
                                                  used("attention.sliding_window_pattern"),
                                                  used("rope.freq_base_swa"),
                                                  neutral("hidden_activation", "silu"),
                                              }));
constexpr auto of_chosen = std::to_array<KnownKey>({neutral("expert_gating_func", "0|3")});
constexpr auto with_experts = replaced<transformer_keys, own_keys>();
constexpr auto keys = replaced<with_experts, of_chosen>();

}  // namespace

/// gpt-oss: experts with biases and an activation of their own, a sink in each head's attention, and a window in every
/// second layer (gpt-oss-120b & gpt-oss-20b model card, OpenAI, 2025). Its configuration does not round YaRN's range to
/// whole pairs ("truncate": false); llama.cpp rounds it.
extern const Architecture gpt_oss{"gpt-oss", describe, layer, keys};

}  // namespace troupe::plugins
