#pragma once

#include <array>

#include "runtime/model/known_keys.hpp"

namespace troupe::plugins {

/// The keys that describe_transformer reads, and those that say nothing to a dense transformer at the values that stand
/// here. An architecture's own table adds what it alone reads, or where it differs.
inline constexpr auto transformer_keys = std::to_array<KnownKey>({
    used("block_count"),
    used("context_length"),
    used("embedding_length"),
    used("feed_forward_length"),
    used("attention.head_count"),
    used("attention.head_count_kv"),
    used("attention.key_length"),
    used("attention.key_length_swa"),
    used("attention.value_length"),
    used("attention.value_length_swa"),
    used("attention.layer_norm_rms_epsilon"),
    used("rope.dimension_count"),
    used("rope.dimension_count_swa"),
    used("rope.freq_base"),
    used("rope.scaling.type"),
    used("rope.scaling.factor"),
    used("rope.scaling.attn_factor"),
    used("rope.scaling.original_context_length"),
    used("rope.scaling.yarn_log_multiplier"),
    used("rope.scaling.yarn_ext_factor"),
    used("rope.scaling.yarn_attn_factor"),
    used("rope.scaling.yarn_beta_fast"),
    used("rope.scaling.yarn_beta_slow"),
    used("rope.scale_linear"),
    used("expert_count"),

    harmless("vocab_size", "the embedding's rows count"),
    harmless("pooling_type", "of embeddings, which are not offered"),
    harmless("rope.scaling.finetuned", "how it was trained"),

    neutral("rope.scaling.alpha", "0|1"),
    neutral("rope.dimension_sections", "0"),

    neutral("attention.causal", "true"),
    neutral("attention.clamp_kqv", "0"),
    neutral("attention.max_alibi_bias", "0"),
    neutral("attention.scale", "0"),
    neutral("attention.output_scale", "1"),
    neutral("attention.value_scale", "1"),
    neutral("attention.temperature_length", "0"),
    neutral("attention.temperature_scale", "0"),
    neutral("attention.shared_kv_layers", "0"),
    neutral("attention.q_lora_rank", "0"),
    neutral("attention.kv_lora_rank", "0"),
    neutral("attention.key_length_mla", "0"),
    neutral("attention.value_length_mla", "0"),
    neutral("attention.relative_buckets_count", "0"),
    neutral("attn_logit_softcapping", "0"),
    neutral("router_logit_softcapping", "0"),
    neutral("final_logit_softcapping", "0"),

    neutral("logit_scale", "1"),
    neutral("residual_scale", "1"),
    neutral("use_parallel_residual", "false"),
    neutral("swin_norm", "false"),
    neutral("embedding_length_out", "0"),
    neutral("embedding_length_per_layer_input", "0"),
    neutral("nextn_predict_layers", "0"),
    neutral("n_deepstack_layers", "0"),
    neutral("full_attention_interval", "0"),

    neutral("expert_used_count", "0"),
    neutral("expert_shared_count", "0"),
    neutral("expert_feed_forward_length", "0"),
    neutral("expert_shared_feed_forward_length", "0"),
    neutral("expert_chunk_feed_forward_length", "0"),
    neutral("expert_group_count", "0"),
    neutral("expert_group_used_count", "0"),
    neutral("expert_gating_func", "0"),
    neutral("expert_weights_norm", "false"),
    neutral("expert_weights_scale", "0|1"),
    neutral("experts_per_group", "0"),
    neutral("leading_dense_block_count", "0"),
    neutral("interleave_moe_layer_step", "0"),
    neutral("moe_every_n_layers", "0"),
});

/// What differs where layers have experts.
inline constexpr auto expert_keys = std::to_array<KnownKey>({
    used("expert_used_count"), used("expert_feed_forward_length"), used("expert_weights_norm"),
    used("expert_weights_scale"), neutral("expert_gating_func", "0|1"),  // softmax
});

}  // namespace troupe::plugins
