"""The exact logits of a GGUF file in float64, for each architecture that troupe runs: what an engine is measured against.

Written from the papers, the models' published configurations and the file format; a table says what each is made of."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class Made:
    """What an architecture's layers are made of."""

    adjacent: bool = False  # rotated pairs are neighbours, not half of what is rotated apart
    norm: str = "rms"  # or "layer"
    before: bool = True  # a norm before each half layer
    after: bool = False  # and one behind
    ffn_norm: str = "ffn_norm"  # the one before the FFN
    of_queries: str = ""  # norms of q and k: of each "head", or of the "whole" projection
    activation: str = "silu"  # or "gelu", or "swiglu_oai"
    gating: str = "softmax"  # of experts' scores; or of the chosen "ones" alone, or "sigmoid" where the file says nothing
    ffn: str = "gated"  # or "fused" (gate and up in one tensor), or "plain"
    parallel: bool = False  # attention and FFN side by side, behind one norm
    period: int = 0  # every so manieth layer sees all, where there is a window; 0: none does
    window: int = 0  # where the file says nothing
    local_theta: float = 0.0  # of layers with a window, where the file says nothing; 0: as the others
    local_scaled: bool = True  # positions are stretched in layers with a window, too
    unrotated: str = ""  # "fourth" layers, or "global" ones where there is a window
    scores_cap: float = 0.0
    logits_cap: float = 0.0
    theta: float = 10000.0


ALL = {
    "llama": Made(adjacent=True),
    "mistral3": Made(adjacent=True),
    "qwen2": Made(),
    "qwen2moe": Made(),
    "qwen3": Made(of_queries="head"),
    "qwen3moe": Made(of_queries="head"),
    "gemma": Made(activation="gelu"),
    "gemma2": Made(activation="gelu", after=True, period=2, window=4096, scores_cap=50.0, logits_cap=30.0),
    "gemma3": Made(
        activation="gelu", after=True, of_queries="head", period=6, local_theta=10000.0, local_scaled=False, theta=1e6
    ),
    "smollm3": Made(adjacent=True, unrotated="fourth"),
    "granite": Made(adjacent=True),
    "granitemoe": Made(adjacent=True),
    "phi3": Made(ffn="fused"),
    "olmo2": Made(before=False, after=True, of_queries="whole", period=4, local_scaled=False),
    "olmoe": Made(of_queries="whole"),
    "exaone4": Made(before=False, after=True, of_queries="head", period=4, unrotated="global"),
    "stablelm": Made(norm="layer"),
    "starcoder2": Made(norm="layer", ffn="plain", activation="gelu"),
    "glm4": Made(adjacent=True, after=True, ffn="fused"),
    "cohere2": Made(adjacent=True, norm="layer", parallel=True, period=4, unrotated="global"),
    "gpt-oss": Made(ffn_norm="post_attention_norm", activation="swiglu_oai", gating="ones", period=2),
    "dots1": Made(of_queries="head", gating="sigmoid"),
}


class Model:
    """`keys` by their names behind the architecture's, and `weights` by tensor name, float64."""

    def __init__(self, architecture, keys, weights):
        self.architecture, self.made, self.keys, self.weights = architecture, ALL[architecture], keys, weights
        self.layers, self.hidden = keys["block_count"], keys["embedding_length"]
        self.heads = self.each("attention.head_count")
        self.kv_heads = self.each("attention.head_count_kv", self.heads)
        self.ffn = self.each("feed_forward_length")
        self.head_dim = keys.get("attention.key_length", self.hidden // self.heads[0])
        self.dims = keys.get("rope.dimension_count", self.head_dim)
        self.context = keys["context_length"]
        kind = "rms_epsilon" if self.made.norm == "rms" else "epsilon"
        self.epsilon = keys[f"attention.layer_norm_{kind}"]

    @classmethod
    def read(cls, path):
        from gguf import GGUFReader
        from gguf.quants import dequantize

        reader = GGUFReader(path)
        meta = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
        architecture = meta["general.architecture"]
        start = len(architecture) + 1
        keys = {name[start:]: value for name, value in meta.items() if name.startswith(architecture + ".")}
        weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors}
        return cls(architecture, keys, weights)

    def each(self, key, usual=None):
        value = self.keys.get(key, usual)
        return list(value) if isinstance(value, (list, np.ndarray)) else [value] * self.layers

    def windows(self):
        """Of each layer; 0: it sees all."""
        if self.architecture in ("phi3", "starcoder2"):
            usual = 4096 if self.architecture == "starcoder2" else 0
            return [self.keys.get("attention.sliding_window", usual)] * self.layers
        usual = self.made.window if self.architecture != "exaone4" or self.layers != 64 else 4096
        window = self.keys.get("attention.sliding_window", usual)
        pattern = self.keys.get("attention.sliding_window_pattern", self.made.period)
        if isinstance(pattern, list):
            return [window if local else 0 for local in pattern]
        return [window if pattern == 0 or (i + 1) % pattern else 0 for i in range(self.layers)]

    def rotates(self, layer, windows):
        if self.made.unrotated == "fourth":
            return (layer + 1) % 4 != 0
        if self.made.unrotated == "global":
            return windows[layer] != 0 or not any(windows)
        return self.architecture != "granite" or self.keys.get("rope.scaling.finetuned", True)


def rms_norm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def normed(m, x, name):
    weight, bias = m.weights[name + ".weight"], m.weights.get(name + ".bias", 0.0)
    if m.made.norm == "layer":
        x = x - x.mean(-1, keepdims=True)
    return rms_norm(x, weight, m.epsilon) + bias


def product(m, x, name, rows=slice(None)):
    bias = m.weights.get(name + ".bias")
    return x @ m.weights[name + ".weight"][rows].T + (0.0 if bias is None else bias[rows])


def frequencies(m, local):
    """Of each pair, and the factor of what is rotated."""
    keys = m.keys
    theta = keys.get("rope.freq_base", m.made.theta)
    if local:
        theta = keys.get("rope.freq_base_swa", m.made.local_theta or theta)
    pairs = np.arange(0, m.dims, 2, dtype=np.float64)
    plain = theta ** (-pairs / m.dims)
    if local and not m.made.local_scaled:
        return plain, 1.0
    kind = keys.get("rope.scaling.type", "linear")
    stretch = keys.get("rope.scaling.factor", keys.get("rope.scale_linear", 1.0)) if kind != "none" else 1.0
    original = keys.get("rope.scaling.original_context_length", m.context)
    factor = keys.get("rope.scaling.attn_factor", 1.0)
    name = "rope_factors_long.weight" if m.context > original else "rope_factors_short.weight"
    plain = plain / m.weights.get("rope_freqs.weight", 1.0) / m.weights.get(name, 1.0)
    if kind != "yarn":
        return plain / stretch, factor

    def pair(turns):
        return m.dims * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    def magnitude(by):
        return 0.1 * by * math.log(stretch) + 1.0 if stretch > 1 else 1.0

    first, last = pair(keys.get("rope.scaling.yarn_beta_fast", 32.0)), pair(keys.get("rope.scaling.yarn_beta_slow", 1.0))
    if m.architecture != "gpt-oss":  # "truncate": false in its configuration
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, m.dims - 1)
    ramp = np.clip((pairs / 2 - first) / max(last - first, 0.001), 0, 1)
    kept = (1 - ramp) * keys.get("rope.scaling.yarn_ext_factor", 1.0)
    all_dims = keys.get("rope.scaling.yarn_log_multiplier", 0.0)
    usual = magnitude(1.0) / magnitude(all_dims) if all_dims else magnitude(1.0)
    return plain * (kept + (1 - kept) / stretch), factor * keys.get("rope.scaling.yarn_attn_factor", usual)


def rotated(m, x, local):
    """x [tokens, heads, head_dim]"""
    each, factor = frequencies(m, local)
    angles = np.arange(len(x))[:, None, None] * each
    c, s = np.cos(angles) * factor, np.sin(angles) * factor
    half = m.dims // 2
    first, second = (
        (slice(0, m.dims, 2), slice(1, m.dims, 2)) if m.made.adjacent else (slice(0, half), slice(half, m.dims))
    )
    y = x.copy()
    y[..., first] = x[..., first] * c - x[..., second] * s
    y[..., second] = x[..., first] * s + x[..., second] * c
    return y


def projections(m, x, layer, name):
    heads, kv_heads = m.heads[layer], m.kv_heads[layer]
    widths = [heads * m.head_dim, kv_heads * m.head_dim, kv_heads * m.head_dim]
    if name + "attn_qkv.weight" in m.weights:
        parts = np.split(product(m, x, name + "attn_qkv"), np.cumsum(widths)[:-1], axis=-1)
    else:
        parts = [product(m, x, name + part) for part in ("attn_q", "attn_k", "attn_v")]
    if m.made.of_queries == "whole":
        parts[:2] = [
            rms_norm(p, m.weights[name + n], m.epsilon)
            for p, n in zip(parts, ("attn_q_norm.weight", "attn_k_norm.weight"))
        ]
    q, k, v = (part.reshape(len(x), -1, m.head_dim) for part in parts)
    if m.architecture == "stablelm" and name + "attn_q_norm.weight" in m.weights:  # [heads, head_dim]
        q, k = normed(m, q, name + "attn_q_norm"), normed(m, k, name + "attn_k_norm")
    if m.made.of_queries == "head":
        q, k = (
            rms_norm(p, m.weights[name + n], m.epsilon)
            for p, n in ((q, "attn_q_norm.weight"), (k, "attn_k_norm.weight"))
        )
    return q, k, v


def scale_of_scores(m):
    if m.architecture.startswith("granite"):
        return m.keys.get("attention.scale") or m.head_dim**-0.5
    by_width = {"gemma2": 46, "gemma3": 62}.get(m.architecture) == m.layers
    return (m.hidden // m.heads[0] if by_width else m.head_dim) ** -0.5


def capped(x, cap):
    return cap * np.tanh(x / cap) if cap else x


def attention(m, x, layer, name, windows):
    q, k, v = projections(m, x, layer, name)
    window, position = windows[layer], np.arange(len(x))
    if m.rotates(layer, windows):
        q, k = rotated(m, q, window != 0), rotated(m, k, window != 0)
    temperature = m.keys.get("attention.temperature_scale", 0.0)
    if temperature:
        original = m.keys.get("rope.scaling.original_context_length", m.context)
        q = q * (1 + temperature * np.log1p(position // original))[:, None, None]
    behind = position[:, None] - position[None, :]
    seen = (behind >= 0) & (behind < window if window else True)
    out = np.empty_like(q)
    for head in range(q.shape[1]):
        group = head // (m.heads[layer] // m.kv_heads[layer])
        scores = q[:, head] @ k[:, group].T * scale_of_scores(m)
        scores = np.where(seen, capped(scores, m.keys.get("attn_logit_softcapping", m.made.scores_cap)), -np.inf)
        sink = m.weights[name + "attn_sinks.weight"][head] if name + "attn_sinks.weight" in m.weights else -np.inf
        largest = np.maximum(scores.max(-1, keepdims=True), sink)
        scores = np.exp(scores - largest)
        out[:, head] = scores / (scores.sum(-1, keepdims=True) + np.exp(sink - largest)) @ v[:, group]
    return product(m, out.reshape(len(x), -1), name + "attn_output")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gated(m, gate, up):
    if m.made.activation == "swiglu_oai":
        gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
        return gate * sigmoid(1.702 * gate) * (up + 1)
    return activated(m, gate) * up


def activated(m, x):
    if m.made.activation == "silu":
        return x * sigmoid(x)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    parts = np.exp(x - x.max(-1, keepdims=True))
    return parts / parts.sum(-1, keepdims=True)


def choice(m, x, name):
    """Of each row the experts that rank highest, and what each counts."""
    scores = product(m, x, name + "ffn_gate_inp")
    gating = {1: "softmax", 2: "sigmoid", 3: "ones"}.get(m.keys.get("expert_gating_func"), m.made.gating)
    parts = sigmoid(scores) if gating == "sigmoid" else softmax(scores)
    ranks = parts + m.weights.get(name + "exp_probs_b.bias", 0.0) if gating == "sigmoid" else scores
    chosen = np.argsort(-ranks, axis=-1, kind="stable")[:, : m.keys["expert_used_count"]]
    counts = np.take_along_axis(parts, chosen, -1)
    if gating == "ones":
        counts = softmax(np.take_along_axis(scores, chosen, -1))
    if m.keys.get("expert_weights_norm", m.architecture not in ("olmoe", "qwen2moe", "dots1")):
        counts /= counts.sum(-1, keepdims=True)
    return chosen, counts * (m.keys.get("expert_weights_scale") or 1.0)


def experts(m, x, name):
    """Of each row the sum of what those of its choice make of it, as far as each counts."""
    chosen, counts = choice(m, x, name)

    def part(which, expert, y):
        bias = m.weights.get(f"{name}ffn_{which}_exps.bias")
        return m.weights[f"{name}ffn_{which}_exps.weight"][expert] @ y + (0.0 if bias is None else bias[expert])

    out = np.zeros_like(x)
    for row, one in enumerate(x):
        for expert, count in zip(chosen[row], counts[row]):
            inner = gated(m, part("gate", expert, one), part("up", expert, one))
            out[row] += count * part("down", expert, inner)
    return out


def shared_expert(m, x, name):
    """Of the ones that every row goes to, weighed by a sigmoid where there is a score."""
    gate, up, down = (m.weights[f"{name}ffn_{part}_shexp.weight"] for part in ("gate", "up", "down"))
    made = gated(m, x @ gate.T, x @ up.T) @ down.T
    score = m.weights.get(name + "ffn_gate_inp_shexp.weight")
    return made if score is None else sigmoid(x @ score)[:, None] * made


def ffn(m, x, layer, name):
    if m.keys.get("expert_count") and layer >= m.keys.get("leading_dense_block_count", 0):
        shared = shared_expert(m, x, name) if name + "ffn_up_shexp.weight" in m.weights else 0.0
        return experts(m, x, name) + shared
    if m.made.ffn == "plain":
        inner = activated(m, product(m, x, name + "ffn_up"))
    elif m.made.ffn == "fused":
        width = m.ffn[layer]
        gate, up = (product(m, x, name + "ffn_up", rows) for rows in (slice(0, width), slice(width, 2 * width)))
        inner = gated(m, gate, up)
    else:
        inner = gated(m, product(m, x, name + "ffn_gate"), product(m, x, name + "ffn_up"))
    return product(m, inner, name + "ffn_down")


def forward(m, ids):
    """Logits [tokens, vocabulary] of one sequence."""
    made, windows = m.made, m.windows()
    x = m.weights["token_embd.weight"][np.asarray(ids)]
    x = x * (math.sqrt(m.hidden) if m.architecture.startswith("gemma") else m.keys.get("embedding_scale") or 1.0)
    added = m.keys.get("residual_scale") or 1.0
    for layer in range(m.layers):
        name = f"blk.{layer}."
        h = normed(m, x, name + "attn_norm") if made.before else x
        a = attention(m, h, layer, name, windows)
        a = normed(m, a, name + "post_attention_norm") if made.after else a
        beside = made.parallel or (m.architecture == "stablelm" and name + "ffn_norm.weight" not in m.weights)
        x, before = x + added * a, h
        h = before if beside else normed(m, x, name + made.ffn_norm) if made.before else x
        f = ffn(m, h, layer, name)
        x = x + added * (normed(m, f, name + "post_ffw_norm") if made.after else f)
    x = normed(m, x, "output_norm")
    head = m.weights.get("output.weight", m.weights["token_embd.weight"])
    logits = x @ head.T + m.weights.get("output.bias", 0.0)
    scale = m.keys.get("logit_scale") or 1.0
    logits = logits / scale if m.architecture.startswith("granite") else logits * scale
    return capped(logits, m.keys.get("final_logit_softcapping", made.logits_cap))
