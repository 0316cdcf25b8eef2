#pragma once

#include "runtime/program/builder.hpp"

/// The halves of a layer as most transformers have them, for architectures to be put together from.
namespace troupe::plugins {

struct Projections {
  ValueId q, k, v;
};

/// Queries, keys and values of a layer's input: three products, or the three parts of "attn_qkv"; biases where the file
/// has them.
[[nodiscard]] Projections project(ProgramBuilder& b, const LayerShape& shape, ValueId x);

/// A norm of each head of queries and keys: "attn_q_norm", "attn_k_norm".
[[nodiscard]] Projections norm_heads(ProgramBuilder& b, Projections of);

/// A norm over all queries, and one over all keys, of a token: the same names.
[[nodiscard]] Projections norm_projections(ProgramBuilder& b, Projections of);

/// Rotates q and k as the layer's shape says.
void rotate(ProgramBuilder& b, const LayerShape& shape, Projections of);

/// Attention over the KV cache with what has been made of the projections, and its output: [hidden]. Sinks and a bias
/// where the file has them.
[[nodiscard]] ValueId attend(ProgramBuilder& b, const ModelDescription& model, const LayerShape& shape, Projections of);

enum class Activation : std::uint8_t { silu, gelu, swiglu_oai };

/// down(activation(gate(x)) * up(x)): [hidden]. Biases where the file has them.
[[nodiscard]] ValueId gated_ffn(ProgramBuilder& b, ValueId x, Activation activation);

/// The same by each of a row's experts, weighed and summed (Shazeer et al. 2017): "ffn_gate_exps" and so on.
[[nodiscard]] ValueId expert_ffn(ProgramBuilder& b, ValueId x, Activation activation);

/// The same where "ffn_up" holds the gate's rows and then its own.
[[nodiscard]] ValueId fused_gated_ffn(ProgramBuilder& b, const LayerShape& shape, ValueId x, Activation activation);

/// down(gelu(up(x))): [hidden]. Biases where the file has them.
[[nodiscard]] ValueId plain_ffn(ProgramBuilder& b, ValueId x);

/// A whole layer with a norm before each half, as llama has it; the FFN of each of a row's experts where the layer has
/// some; of what each half adds, the model's residual scale. `norm`: of queries and keys, or null.
void pre_norm_layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer,
                    Projections (*norm)(ProgramBuilder& b, Projections of));

/// Without that norm.
void pre_norm_layer(ProgramBuilder& b, const ModelDescription& model, std::uint32_t layer);

}  // namespace troupe::plugins
