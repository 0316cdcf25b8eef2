#include "plugins/architectures/common.hpp"
#include "runtime/program/builder.hpp"

namespace troupe::plugins {
namespace {

Result<ModelDescription> describe(const ModelFile& file) {
  return describe_transformer(file, "llama", {.default_theta = 10000.0, .rope_style = kernels::RopeStyle::adjacent});
}

void layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t) {
  const ValueId x = b.rms_norm(b.hidden(), "attn_norm.weight");
  const ValueId q = b.matmul(x, "attn_q.weight", Cut::query_heads);
  const ValueId k = b.matmul(x, "attn_k.weight", Cut::kv_heads);
  const ValueId v = b.matmul(x, "attn_v.weight", Cut::kv_heads);
  b.rope(q, 0);
  b.rope(k, 0);
  b.kv_append(k, v);
  const ValueId o = b.attention(q, model.attention_scale, 0);
  b.add(b.hidden(), b.row_parallel(o, "attn_output.weight", Cut::query_heads));

  const ValueId y = b.rms_norm(b.hidden(), "ffn_norm.weight");
  const ValueId gate = b.matmul(y, "ffn_gate.weight", Cut::ffn);
  const ValueId up = b.matmul(y, "ffn_up.weight", Cut::ffn);
  b.add(b.hidden(), b.row_parallel(b.silu_mul(gate, up), "ffn_down.weight", Cut::ffn));
}

constexpr auto keys = joined(transformer_keys, std::to_array<KnownKey>({
                                                   neutral("attention.sliding_window", "0"),
                                                   neutral("embedding_scale", "1"),
                                                   neutral("hidden_activation", "silu"),
                                                   // Both say that rotated pairs are neighbours in q and k.
                                                   neutral("tensor_data_layout", "reference|Meta AI original pth"),
                                               }));

}  // namespace

/// Llama and its kin: pre-norm, rotary embedding of adjacent pairs, grouped queries, SwiGLU (Touvron et al. 2023).
extern const Architecture llama{"llama", describe, layer, keys};

}  // namespace troupe::plugins
