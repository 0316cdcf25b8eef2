"""Random GGUF files, small and of odd shapes: of every architecture that troupe runs, and of what its files may say."""

import math
import zlib

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize

import reference

VOCABULARY = 300
SIZES = dict(block_count=5, embedding_length=96, feed_forward_length=224, context_length=512)
FOUR, ONE, THREE = dict(heads=8, kv_heads=2), dict(heads=6, kv_heads=1), dict(heads=6, kv_heads=3)


def factors(count, last):
    return np.geomspace(1.0, last, count).astype(np.float32)


EXPERTS = {"expert_count": 6, "expert_used_count": 2}
EPSILON, RMS_EPSILON = {"attention.layer_norm_epsilon": 1e-5}, {"attention.layer_norm_rms_epsilon": 1e-5}


def case(
    architecture,
    heads,
    kv_heads,
    keys=None,
    head_dim=32,
    biases=(),
    extra=None,
    tied=False,
    parallel=False,
    head_norms=False,
    norms="F32",
):
    keys = {
        **SIZES,
        **({} if EPSILON.keys() & (keys or {}).keys() else RMS_EPSILON),
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": head_dim,
        **(keys or {}),
    }
    return dict(
        architecture=architecture,
        keys=keys,
        biases=biases,
        extra=extra or {},
        tied=tied,
        parallel=parallel,
        head_norms=head_norms,
        norms=norms,
    )


QKV = ("attn_q", "attn_k", "attn_v")
EVERY = (*QKV, "attn_output", "ffn_gate", "ffn_up", "ffn_down")
LAYERED = {
    "attention.head_count": [8, 6, 12, 9, 8],
    "attention.head_count_kv": [2, 6, 4, 3, 1],
    "feed_forward_length": [224, 96, 256, 64, 320],
}
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 64}
LONG = {"rope.scaling.type": "longrope", "rope.scaling.original_context_length": 64, "rope.scaling.attn_factor": 1.19}
WINDOW = {"attention.sliding_window": 24}
BOTH = {"rope_factors_long.weight": factors(16, 20), "rope_factors_short.weight": factors(16, 3)}

CASES = {
    "llama": case("llama", **FOUR),
    "llama, tied, one KV head": case("llama", **ONE, tied=True),
    "llama, unlike layers": case("llama", **FOUR, keys=LAYERED),
    "llama, biases": case("llama", **THREE, biases=EVERY),
    "llama, F16 norms": case("llama", **FOUR, norms="F16"),
    "llama, BF16 norms and biases": case("llama", **FOUR, norms="BF16", biases=EVERY),
    "llama, half a head rotated": case("llama", **FOUR, keys={"rope.dimension_count": 16}),
    "llama, 20 of 64 rotated": case("llama", **THREE, head_dim=64, keys={"rope.dimension_count": 20}),
    "llama, linear": case("llama", **FOUR, keys={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    "llama, linear of old": case("llama", **FOUR, keys={"rope.scale_linear": 3.0}),
    "llama, YaRN": case("llama", **FOUR, keys=YARN),
    "llama, YaRN by every key": case(
        "llama",
        **FOUR,
        keys={
            **YARN,
            "rope.scaling.yarn_ext_factor": 0.8,
            "rope.scaling.yarn_beta_fast": 3.0,
            "rope.scaling.yarn_beta_slow": 0.5,
            "rope.scaling.yarn_attn_factor": 1.3,
            "rope.scaling.attn_factor": 1.1,
        },
    ),
    "llama, Llama 3's": case("llama", **FOUR, extra={"rope_freqs.weight": factors(16, 8)}),
    "llama, LongRoPE, long": case("llama", **FOUR, keys=LONG, extra=BOTH),
    "llama, LongRoPE, short": case(
        "llama", **FOUR, keys={**LONG, "rope.scaling.original_context_length": 512}, extra=BOTH
    ),
    "mistral3": case(
        "mistral3",
        **FOUR,
        keys={
            **YARN,
            "rope.scaling.yarn_log_multiplier": 0.7,
            "attention.temperature_scale": 0.4,
            "rope.scaling.original_context_length": 16,
        },
    ),
    "qwen2": case("qwen2", **FOUR, biases=(*QKV, "output")),
    "qwen3": case("qwen3", **FOUR, head_dim=64),
    "llama, experts": case("llama", **FOUR, keys=EXPERTS),
    "qwen3moe": case("qwen3moe", **FOUR, head_dim=64, keys={**EXPERTS, "expert_feed_forward_length": 96}),
    "qwen3moe, one of all": case("qwen3moe", **ONE, keys={**EXPERTS, "expert_used_count": 1}),
    "qwen2moe": case(
        "qwen2moe",
        **FOUR,
        keys={**EXPERTS, "expert_feed_forward_length": 96, "expert_shared_feed_forward_length": 160},
        biases=QKV,
    ),
    "granitemoe": case(
        "granitemoe",
        **THREE,
        keys={**EXPERTS, "expert_used_count": 6, "residual_scale": 0.4, "attention.scale": 0.1, "logit_scale": 0.5},
    ),
    "olmoe": case("olmoe", **THREE, keys={**EXPERTS, "expert_used_count": 3}),
    "olmoe, normalised and scaled": case(
        "olmoe", **THREE, keys={**EXPERTS, "expert_weights_norm": True, "expert_weights_scale": 0.7}
    ),
    "gemma": case("gemma", **ONE, head_dim=64, tied=True),
    "gemma2": case(
        "gemma2", **FOUR, keys={**WINDOW, "attn_logit_softcapping": 0.5, "final_logit_softcapping": 6.0}, tied=True
    ),
    "gemma2, usual caps and window": case("gemma2", **THREE, tied=True),
    "gemma2, 46 layers": case(
        "gemma2", **THREE, keys={**WINDOW, "block_count": 46, "final_logit_softcapping": 2.0}, tied=True
    ),
    "gemma3": case(
        "gemma3", **FOUR, keys={**WINDOW, "block_count": 7, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    ),
    "gemma3, capped": case(
        "gemma3", **ONE, keys={**WINDOW, "final_logit_softcapping": 6.0, "attention.sliding_window_pattern": 2}
    ),
    "smollm3": case("smollm3", **FOUR),
    "granite": case(
        "granite",
        **FOUR,
        keys={"embedding_scale": 3.0, "residual_scale": 0.4, "attention.scale": 0.1, "logit_scale": 0.5},
    ),
    "granite, without positions": case("granite", **THREE, keys={"logit_scale": 2.0, "rope.scaling.finetuned": False}),
    "phi3": case("phi3", **FOUR, keys=WINDOW),
    "phi3, LongRoPE": case("phi3", **THREE, head_dim=64, keys={**LONG, "rope.dimension_count": 32}, extra=BOTH),
    "olmo2": case("olmo2", **THREE),
    "olmo2, windows and YaRN": case("olmo2", **FOUR, keys={**WINDOW, **YARN}),
    "exaone4": case("exaone4", **FOUR, extra={"rope_freqs.weight": factors(16, 8)}),
    "exaone4, windows": case(
        "exaone4", **THREE, keys={**WINDOW, "attention.sliding_window_pattern": [True, True, False, True, False]}
    ),
    "stablelm": case("stablelm", **FOUR, keys={**EPSILON, "rope.dimension_count": 8}, biases=QKV),
    "stablelm, side by side": case("stablelm", **THREE, keys={**EPSILON, "rope.dimension_count": 8}, parallel=True),
    "stablelm, norms of heads": case(
        "stablelm", **FOUR, keys={**EPSILON, "rope.dimension_count": 8}, parallel=True, head_norms=True
    ),
    "starcoder2": case("starcoder2", **ONE, keys=EPSILON, biases=(*QKV, "attn_output", "ffn_up", "ffn_down")),
    "starcoder2, window": case(
        "starcoder2", **ONE, keys={**EPSILON, **WINDOW}, biases=(*QKV, "attn_output", "ffn_up", "ffn_down")
    ),
    "glm4": case("glm4", **FOUR, keys={"rope.dimension_count": 16}, biases=QKV),
    "cohere2": case("cohere2", **FOUR, keys={**EPSILON, **WINDOW, "logit_scale": 1.25}, tied=True),
}


def shapes(one):
    """[rows, columns] of each tensor, or [elements]."""
    made, keys = reference.ALL[one["architecture"]], one["keys"]
    hidden, head_dim, layers = keys["embedding_length"], keys["attention.key_length"], keys["block_count"]
    each = lambda key, i: keys[key][i] if isinstance(keys[key], list) else keys[key]
    norm_biases = made.norm == "layer" and one["architecture"] != "cohere2"
    found = {}

    def add_norm(name, width=hidden):
        found[name + ".weight"] = [width]
        if norm_biases:
            found[name + ".bias"] = [width]

    found["token_embd.weight"] = [VOCABULARY, hidden]
    for i in range(layers):
        name = f"blk.{i}."
        queries, kv = (each(f"attention.head_count{end}", i) * head_dim for end in ("", "_kv"))
        width = each("feed_forward_length", i)
        matrices = {
            "attn_q": [queries, hidden],
            "attn_k": [kv, hidden],
            "attn_v": [kv, hidden],
            "attn_output": [hidden, queries],
            "ffn_gate": [width, hidden],
            "ffn_up": [width, hidden],
            "ffn_down": [hidden, width],
        }
        if one["architecture"] == "phi3":
            matrices["attn_qkv"] = [sum(matrices.pop(part)[0] for part in QKV), hidden]
        if count := keys.get("expert_count"):
            width = keys.get("expert_feed_forward_length", width)
            for part, shape in (("gate", [width, hidden]), ("up", [width, hidden]), ("down", [hidden, width])):
                del matrices["ffn_" + part]
                matrices[f"ffn_{part}_exps"] = [count, *shape]
            matrices["ffn_gate_inp"] = [count, hidden]
            if shared := keys.get("expert_shared_feed_forward_length"):
                found[name + "ffn_gate_inp_shexp.weight"] = [hidden]
                matrices |= {"ffn_gate_shexp": [shared, hidden], "ffn_up_shexp": [shared, hidden]}
                matrices["ffn_down_shexp"] = [hidden, shared]
        elif made.ffn != "gated":
            del matrices["ffn_gate"]
        if made.ffn == "fused":
            matrices["ffn_up"] = [2 * width, hidden]
        for matrix, shape in matrices.items():
            found[name + matrix + ".weight"] = shape
            if matrix in one["biases"]:
                found[name + matrix + ".bias"] = shape[:1]
        if made.before:
            add_norm(name + "attn_norm")
            if not made.parallel and not one["parallel"]:
                add_norm(name + "ffn_norm")
        if made.after:
            add_norm(name + "post_attention_norm")
            add_norm(name + "post_ffw_norm")
        if one["head_norms"]:
            found[name + "attn_q_norm.weight"] = [queries // head_dim, head_dim]
            found[name + "attn_k_norm.weight"] = [kv // head_dim, head_dim]
        if made.of_queries:
            whole = made.of_queries == "whole"
            found[name + "attn_q_norm.weight"] = [queries if whole else head_dim]
            found[name + "attn_k_norm.weight"] = [kv if whole else head_dim]
    add_norm("output_norm")
    if not one["tied"]:
        found["output.weight"] = [VOCABULARY, hidden]
    if "output" in one["biases"]:
        found["output.bias"] = [VOCABULARY]
    return found


def is_vector(name, shape):
    """Or several, of norms of heads."""
    return len(shape) == 1 or name.endswith("_norm.weight")


def values(name, shape, tied, random):
    """Logits that make tokens likely, but not the token that was given."""
    if name.endswith("ffn_gate_inp.weight"):  # so that little decides seldom
        return random.normal(0, 3 / math.sqrt(shape[1]), shape)
    if not is_vector(name, shape):
        calm = 0.8 if "attn_q" in name or "attn_k" in name else 0.4 if name == "token_embd.weight" and tied else 1.0
        spread = 1.6 if name == "output.weight" else calm
        return random.normal(0, spread / math.sqrt(shape[-1]), shape)
    if name.endswith(".bias"):
        return random.normal(0, 0.3, shape)
    return (1 + random.normal(0, 0.2, shape)) * (4.0 if tied and name == "output_norm.weight" else 1.0)


def letters():
    """The characters that stand for bytes in byte-level encodings."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(rest))]


def add_keys(writer, one):
    for name, value in one["keys"].items():
        key = f"{one['architecture']}.{name}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", "gpt-2")
    tokens = letters() + ["aa", "bb"]
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", [1] * len(tokens))
    writer.add_array("tokenizer.ggml.merges", ["a a", "b b"])
    writer.add_uint32("tokenizer.ggml.eos_token_id", 0)


def write(name, path, matrices="Q8_0", encode=quantize):
    """The file of a case: matrices as asked for, by `encode`, but routers are F32; vectors as it says."""
    one = CASES[name]
    random = np.random.default_rng(zlib.crc32(name.encode()))
    writer = GGUFWriter(path, one["architecture"])
    add_keys(writer, one)
    vectors, matrices = GGMLQuantizationType[one["norms"]], GGMLQuantizationType[matrices]
    for tensor, shape in shapes(one).items():
        data = values(tensor, shape, one["tied"], random).astype(np.float32)
        vector = is_vector(tensor, shape)
        kind = GGMLQuantizationType.F32 if "ffn_gate_inp" in tensor else vectors if vector else matrices
        writer.add_tensor(tensor, (quantize if vector else encode)(data, kind), raw_dtype=kind)
    for tensor, data in one["extra"].items():
        writer.add_tensor(tensor, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
