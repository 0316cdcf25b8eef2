#include "plugins/architectures/sublayers.hpp"

namespace troupe::plugins {
namespace {

/// A product's bias, where the file has it: "attn_q" is "attn_q.bias".
void add_bias(ProgramBuilder& b, ValueId y, const std::string& name, Cut cut, Fused fused = {}) {
  if (b.has(name + ".bias")) b.bias(y, name + ".bias", cut, fused);
}

ValueId project_back(ProgramBuilder& b, ValueId x, const std::string& name, Cut cut) {
  const ValueId y = b.row_parallel(x, name + ".weight", cut);
  if (b.has(name + ".bias")) b.bias(y, name + ".bias");
  return y;
}

ValueId activated(ProgramBuilder& b, ValueId gate, ValueId up, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return b.gelu_mul(gate, up);
    case Activation::swiglu_oai:
      return b.swiglu_oai(gate, up);
    default:
      return b.silu_mul(gate, up);
  }
}

/// Of the expert that every row goes to, as far as its score wants it.
ValueId shared_ffn(ProgramBuilder& b, ValueId x, Activation activation) {
  const ValueId gate = b.matmul(x, "ffn_gate_shexp.weight", Cut::shared_ffn);
  const ValueId up = b.matmul(x, "ffn_up_shexp.weight", Cut::shared_ffn);
  const ValueId y = activated(b, gate, up, activation);
  if (b.has("ffn_gate_inp_shexp.weight")) b.sigmoid_scale(y, x, "ffn_gate_inp_shexp.weight");
  return b.row_parallel(y, "ffn_down_shexp.weight", Cut::shared_ffn);
}

}  // namespace

/// The products come first, so that they can be one.
Projections project(ProgramBuilder& b, const LayerShape& shape, ValueId x) {
  if (b.has("attn_q.weight") || !b.has("attn_qkv.weight")) {
    const Projections of{b.matmul(x, "attn_q.weight", Cut::query_heads), b.matmul(x, "attn_k.weight", Cut::kv_heads),
                         b.matmul(x, "attn_v.weight", Cut::kv_heads)};
    add_bias(b, of.q, "attn_q", Cut::query_heads);
    add_bias(b, of.k, "attn_k", Cut::kv_heads);
    add_bias(b, of.v, "attn_v", Cut::kv_heads);
    return of;
  }
  const std::uint32_t queries = shape.heads * shape.head_dim, keys = shape.kv_heads * shape.head_dim;
  const Fused q{0, queries + 2 * keys}, k{queries, q.all}, v{queries + keys, q.all};
  const Projections of{b.matmul(x, "attn_qkv.weight", Cut::query_heads, q),
                       b.matmul(x, "attn_qkv.weight", Cut::kv_heads, k),
                       b.matmul(x, "attn_qkv.weight", Cut::kv_heads, v)};
  add_bias(b, of.q, "attn_qkv", Cut::query_heads, q);
  add_bias(b, of.k, "attn_qkv", Cut::kv_heads, k);
  add_bias(b, of.v, "attn_qkv", Cut::kv_heads, v);
  return of;
}

Projections norm_heads(ProgramBuilder& b, Projections of) {
  return {b.head_norm(of.q, "attn_q_norm.weight"), b.head_norm(of.k, "attn_k_norm.weight"), of.v};
}

Projections norm_projections(ProgramBuilder& b, Projections of) {
  return {b.projection_norm(of.q, "attn_q_norm.weight", Cut::query_heads),
          b.projection_norm(of.k, "attn_k_norm.weight", Cut::kv_heads), of.v};
}

void rotate(ProgramBuilder& b, const LayerShape& shape, Projections of) {
  b.rope(of.q, shape.rotation);
  b.rope(of.k, shape.rotation);
}

ValueId attend(ProgramBuilder& b, const ModelDescription& model, const LayerShape& shape, Projections of) {
  b.kv_append(of.k, of.v);
  return project_back(b, b.attention(of.q, model.attention_scale, shape.window), "attn_output", Cut::query_heads);
}

ValueId gated_ffn(ProgramBuilder& b, ValueId x, Activation activation) {
  const ValueId gate = b.matmul(x, "ffn_gate.weight", Cut::ffn);
  const ValueId up = b.matmul(x, "ffn_up.weight", Cut::ffn);
  add_bias(b, gate, "ffn_gate", Cut::ffn);
  add_bias(b, up, "ffn_up", Cut::ffn);
  return project_back(b, activated(b, gate, up, activation), "ffn_down", Cut::ffn);
}

ValueId expert_ffn(ProgramBuilder& b, ValueId x, Activation activation) {
  constexpr std::string_view readers[] = {"ffn_gate_exps.weight", "ffn_up_exps.weight"};
  const ValueId routed = b.dispatch(x, "ffn_gate_inp.weight", readers);
  const ValueId gate = b.expert_matmul(routed, readers[0]);
  const ValueId up = b.expert_matmul(routed, readers[1]);
  return b.combine(activated(b, gate, up, activation), "ffn_down_exps.weight");
}

ValueId fused_gated_ffn(ProgramBuilder& b, const LayerShape& shape, ValueId x, Activation activation) {
  const ValueId gate = b.matmul(x, "ffn_up.weight", Cut::ffn, {0, 2 * shape.ffn});
  const ValueId up = b.matmul(x, "ffn_up.weight", Cut::ffn, {shape.ffn, 2 * shape.ffn});
  return project_back(b, activated(b, gate, up, activation), "ffn_down", Cut::ffn);
}

ValueId plain_ffn(ProgramBuilder& b, ValueId x) {
  const ValueId up = b.matmul(x, "ffn_up.weight", Cut::ffn);
  add_bias(b, up, "ffn_up", Cut::ffn);
  return project_back(b, b.gelu(up), "ffn_down", Cut::ffn);
}

void pre_norm_layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer,
                    Projections (*norm)(ProgramBuilder& b, Projections of)) {
  const LayerShape& shape = model.layers[layer];
  const auto add = [&](ValueId y) {
    if (model.residual_scale != 1.0F) b.scale(y, model.residual_scale);
    b.add(b.hidden(), y);
  };
  Projections of = project(b, shape, b.rms_norm(b.hidden(), "attn_norm.weight"));
  if (norm != nullptr) of = norm(b, of);
  rotate(b, shape, of);
  add(attend(b, model, shape, of));
  const ValueId x = b.rms_norm(b.hidden(), "ffn_norm.weight");
  add(shape.experts > 0 ? expert_ffn(b, x, Activation::silu) : gated_ffn(b, x, Activation::silu));
  if (shape.shared_ffn > 0) add(shared_ffn(b, x, Activation::silu));
}

void pre_norm_layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer) {
  pre_norm_layer(b, model, layer, nullptr);
}

}  // namespace troupe::plugins
