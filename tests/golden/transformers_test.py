"""Holds reference.py to the library `transformers`, on tiny random models: of each architecture, and of ways to stretch
positions. The weights are handed over in memory, with the names and the order of rows that converters give them.

The library and CPU torch, which are big, are installed into a virtual environment under ~/.cache/troupe; where that
cannot be done everything is skipped (exit code 77). An architecture that the installed library lacks is said to be skipped.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from modules import restart_with

MOST = 1e-4  # of a log-probability: the library computes in float32, angles among it

try:
    import numpy as np
    import torch
    import transformers

    import reference
except ImportError:
    restart_with("transformers", "transformers", "torch", "transformers", "numpy")

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN, LAYERS, VOCABULARY, CONTEXT, TOKENS = 96, 6, 2, 16, 160, 5, 120, 256, 60
EXPERTS = 6
SIZES = dict(
    hidden_size=HIDDEN,
    num_attention_heads=HEADS,
    num_key_value_heads=KV_HEADS,
    intermediate_size=FFN,
    num_hidden_layers=LAYERS,
    vocab_size=VOCABULARY,
    max_position_embeddings=CONTEXT,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
KEYS = {
    "block_count": LAYERS,
    "embedding_length": HIDDEN,
    "feed_forward_length": FFN,
    "context_length": CONTEXT,
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "attention.key_length": HEAD_DIM,
}
THETA = {"rope_theta": 10000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, **THETA}
YARN_KEYS = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    **THETA,
}
LONG = {
    "rope_type": "longrope",
    "long_factor": [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    "short_factor": [1.0] * 8,
    "original_max_position_embeddings": 64,
    **THETA,
}
LONG_KEYS = {
    "rope.scaling.type": "longrope",
    "rope.scaling.original_context_length": 64,
    "rope.scaling.attn_factor": float(np.sqrt(1 + np.log(CONTEXT / 64) / np.log(64))),
}
RMS, LAYER = {"attention.layer_norm_rms_epsilon": 1e-5}, {"attention.layer_norm_epsilon": 1e-5}
RMS_EPS = {"rms_norm_eps": 1e-5}


def every_fourth_global(window):
    return ["full_attention" if window is None or (i + 1) % 4 == 0 else "sliding_attention" for i in range(LAYERS)]


# Model type of the library, its configuration beside SIZES, keys of the file beside KEYS, extra tensors.
CASES = {
    "llama": ("llama", {**RMS_EPS, "attention_bias": True, "mlp_bias": True}, RMS, {}),
    "llama, YaRN": ("llama", {**RMS_EPS, "rope_parameters": YARN}, {**RMS, **YARN_KEYS}, {}),
    "llama, linear": (
        "llama",
        {**RMS_EPS, "rope_parameters": {"rope_type": "linear", "factor": 4.0, **THETA}},
        {**RMS, "rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
        {},
    ),
    "llama, Llama 3's": ("llama", {**RMS_EPS, "rope_parameters": LLAMA3}, RMS, "llama3"),
    "mistral3": (
        "ministral3",
        {
            **RMS_EPS,
            "head_dim": HEAD_DIM,
            "rope_parameters": {
                **YARN,
                "original_max_position_embeddings": 16,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
                "llama_4_scaling_beta": 0.4,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
            },
        },
        {
            **RMS,
            **YARN_KEYS,
            "rope.scaling.original_context_length": 16,
            "rope.scaling.yarn_log_multiplier": 1.0,
            "attention.temperature_scale": 0.4,
        },
        {},
    ),
    "qwen2": ("qwen2", RMS_EPS, RMS, {}),
    "qwen3": ("qwen3", {**RMS_EPS, "head_dim": HEAD_DIM}, RMS, {}),
    "gemma": ("gemma", {**RMS_EPS, "head_dim": HEAD_DIM}, RMS, {}),
    "gemma2": (
        "gemma2",
        {
            **RMS_EPS,
            "head_dim": HEAD_DIM,
            "query_pre_attn_scalar": HEAD_DIM,
            "sliding_window": 24,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
        {**RMS, "attention.sliding_window": 24, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
        {},
    ),
    "gemma3": (
        "gemma3_text",
        {
            **RMS_EPS,
            "head_dim": HEAD_DIM,
            "query_pre_attn_scalar": HEAD_DIM,
            "sliding_window": 24,
            "sliding_window_pattern": 2,
            "layer_types": [["sliding_attention", "full_attention"][i % 2] for i in range(LAYERS)],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
        {
            **RMS,
            "attention.sliding_window": 24,
            "attention.sliding_window_pattern": 2,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
        },
        {},
    ),
    "smollm3": ("smollm3", {**RMS_EPS, "rope_parameters": {"rope_type": "default", **THETA}}, RMS, {}),
    "granite": (
        "granite",
        {
            **RMS_EPS,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.4,
            "attention_multiplier": 0.1,
            "logits_scaling": 2.0,
        },
        {**RMS, "embedding_scale": 3.0, "residual_scale": 0.4, "attention.scale": 0.1, "logit_scale": 2.0},
        {},
    ),
    "phi3": ("phi3", {**RMS_EPS, "sliding_window": 24}, {**RMS, "attention.sliding_window": 24}, {}),
    "phi3, LongRoPE": (
        "phi3",
        {**RMS_EPS, "rope_parameters": LONG, "original_max_position_embeddings": 64},
        {**RMS, **LONG_KEYS},
        {"rope_factors_long.weight": np.array(LONG["long_factor"])},
    ),
    "olmo2": ("olmo2", RMS_EPS, RMS, {}),
    "olmo2, windows": (
        "olmo3",
        {
            **RMS_EPS,
            "sliding_window": 24,
            "layer_types": every_fourth_global(24),
            "rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_type": "default", **THETA}},
        },
        {**RMS, **YARN_KEYS, "attention.sliding_window": 24},
        {},
    ),
    "exaone4": ("exaone4", {**RMS_EPS, "sliding_window": None, "layer_types": every_fourth_global(None)}, RMS, {}),
    "exaone4, windows": (
        "exaone4",
        {**RMS_EPS, "sliding_window": 24, "sliding_window_pattern": 4, "layer_types": every_fourth_global(24)},
        {**RMS, "attention.sliding_window": 24},
        {},
    ),
    "stablelm": (
        "stablelm",
        {
            "layer_norm_eps": 1e-5,
            "use_qkv_bias": True,
            "use_parallel_residual": False,
            "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25, **THETA},
        },
        {**LAYER, "rope.dimension_count": HEAD_DIM // 4},
        {},
    ),
    "stablelm, side by side": (
        "stablelm",
        {
            "layer_norm_eps": 1e-5,
            "use_parallel_residual": True,
            "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25, **THETA},
        },
        {**LAYER, "rope.dimension_count": HEAD_DIM // 4},
        {},
    ),
    "stablelm, norms of heads": (
        "stablelm",
        {
            "layer_norm_eps": 1e-5,
            "qk_layernorm": True,
            "use_parallel_residual": True,
            "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25, **THETA},
        },
        {**LAYER, "rope.dimension_count": HEAD_DIM // 4},
        {},
    ),
    "starcoder2": ("starcoder2", {"norm_epsilon": 1e-5, "use_bias": True, "sliding_window": None}, LAYER, {}),
    "starcoder2, window": (
        "starcoder2",
        {"norm_epsilon": 1e-5, "use_bias": True, "sliding_window": 24},
        {**LAYER, "attention.sliding_window": 24},
        {},
    ),
    "glm4": (
        "glm4",
        {
            **RMS_EPS,
            "head_dim": HEAD_DIM,
            "attention_bias": True,
            "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5, **THETA},
        },
        {**RMS, "rope.dimension_count": HEAD_DIM // 2},
        {},
    ),
    "cohere2": (
        "cohere2",
        {"layer_norm_eps": 1e-5, "logit_scale": 0.5, "sliding_window": 24, "layer_types": every_fourth_global(24)},
        {**LAYER, "logit_scale": 0.5, "attention.sliding_window": 24},
        {},
    ),
    # Files do not say whether YaRN's range is rounded to whole pairs: this model's is not.
    "gpt-oss": (
        "gpt_oss",
        {
            **RMS_EPS,
            "head_dim": HEAD_DIM,
            "num_local_experts": EXPERTS,
            "num_experts_per_tok": 2,
            "sliding_window": 24,
            "layer_types": [["sliding_attention", "full_attention"][i % 2] for i in range(LAYERS)],
            "rope_parameters": {**YARN, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False},
        },
        {
            **RMS,
            **YARN_KEYS,
            "attention.sliding_window": 24,
            "expert_count": EXPERTS,
            "expert_used_count": 2,
            "expert_feed_forward_length": FFN,
        },
        {},
    ),
    "dots1": (
        "dots1",
        {
            **RMS_EPS,
            "head_dim": HEAD_DIM,
            "n_routed_experts": EXPERTS,
            "num_experts_per_tok": 2,
            "n_shared_experts": 2,
            "first_k_dense_replace": 2,
            "moe_intermediate_size": 64,
            "norm_topk_prob": True,
            "routed_scaling_factor": 2.5,
            "layer_types": ["full_attention"] * LAYERS,
        },
        {
            **RMS,
            "expert_count": EXPERTS,
            "expert_used_count": 2,
            "expert_feed_forward_length": 64,
            "expert_shared_count": 2,
            "expert_gating_func": 2,
            "expert_weights_norm": True,
            "expert_weights_scale": 2.5,
            "leading_dense_block_count": 2,
        },
        {},
    ),
}

ENDS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.q_layernorm": "attn_q_norm",
    "self_attn.k_layernorm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
    "post_self_attn_layernorm": "post_attention_norm",
    "post_mlp_layernorm": "post_ffw_norm",
    "mlp.router": "ffn_gate_inp",
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
    "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
}


def name_in_file(name, architecture):
    """model.layers.3.mlp.up_proj.weight -> blk.3.ffn_up.weight"""
    stem, end = name.rsplit(".", 1)
    if stem in ENDS:
        return f"{ENDS[stem]}.{end}"
    layer, part = stem.removeprefix("model.layers.").split(".", 1)
    if end == "sinks":
        return f"blk.{layer}.attn_sinks.weight"
    if end == "e_score_correction_bias":
        return f"blk.{layer}.exp_probs_b.bias"
    behind = architecture in ("gemma2", "gemma3", "olmo2", "exaone4", "gpt-oss")  # where this norm is of attention's output
    found = "post_attention_norm" if behind else "ffn_norm"
    return f"blk.{layer}.{found if part == 'post_attention_layernorm' else PARTS[part]}.{end}"


def with_pairs_side_by_side(rows, heads):
    """The order of q's and k's rows in files whose rotated pairs are neighbours, from halves."""
    return rows.reshape(heads, 2, HEAD_DIM // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def parts_of_experts(name, value, architecture):
    """What a tensor of all experts of a layer is in files: gate and up are one, by turns or one behind the other."""
    in_turn = architecture == "gpt-oss"
    layer, part = name.removeprefix("model.layers.").split(".mlp.experts.")
    end = "bias" if part.endswith("_bias") else "weight"
    if in_turn and end == "weight":
        value = value.swapaxes(1, 2)
    if part.startswith("down_proj"):
        return {f"blk.{layer}.ffn_down_exps.{end}": value}
    gate, up = (value[:, ::2], value[:, 1::2]) if in_turn else np.split(value, 2, axis=1)
    return {f"blk.{layer}.ffn_gate_exps.{end}": gate, f"blk.{layer}.ffn_up_exps.{end}": up}


def tensors_of(model):
    """Norms of heads, a tensor each in the library, are the rows of one in files."""
    tensors = {name: tensor.to(torch.float64).numpy() for name, tensor in model.state_dict().items()}
    heads = [name for name in tensors if ".norms." in name]
    for name in heads:
        row, norm = tensors.pop(name), name.split(".norms.")[0] + ".weight"
        tensors[norm] = np.vstack([tensors[norm], row]) if norm in tensors else row[None]
    return tensors


def weights_of(model, architecture):
    weights = {}
    for name, value in tensors_of(model).items():
        if ".mlp.experts." in name:
            weights |= parts_of_experts(name, value, architecture)
            continue
        name = name_in_file(name, architecture)
        if architecture in ("llama", "mistral3", "smollm3", "granite"):
            for part, heads in (("attn_q.", HEADS), ("attn_k.", KV_HEADS)):
                value = with_pairs_side_by_side(value, heads) if part in name else value
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            value = value + 1
        weights[name] = value
    return weights


def llama3_divisors(model):
    plain = 10000.0 ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    return plain / model.model.rotary_emb.inv_freq.to(torch.float64).numpy()


def library_model(kind, options):
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(kind, **{**SIZES, **options})
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_matrix = parameter.dim() > 1
            parameter.normal_(
                0.0 if is_matrix or name.endswith("bias") else 1.0, 1.5 / HIDDEN**0.5 if is_matrix else 0.2
            )
            if kind == "gpt_oss" and name.endswith("gate_up_proj"):  # so that some are beyond its limits
                parameter *= 3
            if not is_matrix and kind.startswith("gemma"):
                parameter -= 1.0
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.normal_(0.0, 0.2)
    return model


def difference(name):
    """The largest of a log-probability."""
    kind, options, keys, extra = CASES[name]
    architecture = name.split(",")[0]
    model = library_model(kind, options)
    weights = weights_of(model, architecture)
    weights.update({"rope_freqs.weight": llama3_divisors(model)} if extra == "llama3" else extra)
    ids = np.random.default_rng(2).integers(0, VOCABULARY, TOKENS)
    # LongRoPE's list is chosen by the length of what is computed, so that it is the long one here.
    tokens = np.resize(ids, 70) if "LongRoPE" in name else ids
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.tensor(tokens[None])).logits[0].double(), -1).numpy()
    ours = reference.forward(reference.Model(architecture, {**KEYS, **keys}, weights), tokens)
    ours = (
        ours - np.log(np.exp(ours - ours.max(-1, keepdims=True)).sum(-1, keepdims=True)) - ours.max(-1, keepdims=True)
    )
    return float(np.abs(ours - expected).max())


def main():
    wrong = []
    for name in sys.argv[1:] or CASES:
        if CASES[name][0] not in transformers.CONFIG_MAPPING:
            print(f"skipped: {name}: transformers {transformers.__version__} has no {CASES[name][0]}")
            continue
        worst = difference(name)
        print(f"{name}: {worst:.1e}", flush=True)
        if not worst <= MOST:
            wrong.append(name)
    print(f"transformers {transformers.__version__}: {len(CASES)} cases, beyond {MOST}: {', '.join(wrong) or 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
