"""Adapters hold to float64: to the model whose matrices they have been merged into, W + scale * alpha / rank * B A.

TROUPE_BIN      the command; without it everything is skipped (exit code 77)
The modules numpy and gguf are installed into a virtual environment under ~/.cache/troupe where this Python has none.
"""

import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from modules import restart_with, skip

BINARY = os.environ.get("TROUPE_BIN", "")
MOST = {"Q8_0": 2e-3, "F32": 1e-5}
EMBEDDING, HEAD = "token_embd.weight", "output.weight"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
try:
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
    from gguf.quants import dequantize, quantize

    import architectures_test
    import reference
    import tiny_files
except ImportError:
    restart_with("gguf", "gguf", "gguf==0.19.0", "numpy")

# How each is made: its format, rank, alpha (none: none), the host's scale, and which matrices it has.
ADAPTERS = (
    ("F16", 4, 6.0, 0.75, lambda name: True),
    ("BF16", 7, None, 1.0, lambda name: name in (EMBEDDING, HEAD) or "attn" in name),
    ("F32", 3, 9.0, -0.5, lambda name: "ffn" in name or name.startswith("blk.1.")),
)


def write_adapter(path, architecture, shapes, made, seed):
    kind, rank, alpha, _, has = made
    kind, random = GGMLQuantizationType[kind], np.random.default_rng(seed)
    writer = GGUFWriter(path, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    if alpha is not None:
        writer.add_float32("adapter.lora.alpha", alpha)
    for name, (rows, columns) in shapes.items():
        if not has(name):
            continue
        pair = ((rows, rank), (columns, rank)) if name == EMBEDDING else ((rank, columns), (rows, rank))
        for end, shape in zip(("a", "b"), pair):
            spread = 0.3 / np.sqrt(rank if end == "b" or name == EMBEDDING else columns)
            data = random.normal(0, spread, shape).astype(np.float32)
            writer.add_tensor(f"{name}.lora_{end}", quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def merge(model, path, made):
    _, rank, alpha, scale, _ = made
    factor = scale if alpha is None else scale * alpha / rank
    found = {t.name: dequantize(t.data, t.tensor_type).astype(np.float64) for t in GGUFReader(path).tensors}
    for name in {tensor.rsplit(".", 1)[0] for tensor in found}:
        a, b = found[name + ".lora_a"], found[name + ".lora_b"]
        model.weights[name] = model.weights[name] + factor * (a @ b.T if name == EMBEDDING else b @ a)


def divergence(case, matrices, adapters, folder):
    path = os.path.join(folder, "model.gguf")
    tiny_files.write(case, path, matrices)
    model = reference.Model.read(path)
    model.weights.setdefault(HEAD, model.weights[EMBEDDING])  # a tied one stays as it is
    shapes = {name: shape for name, shape in tiny_files.shapes(tiny_files.CASES[case]).items() if len(shape) == 2}
    flags = []
    for i, made in enumerate(adapters):
        file = os.path.join(folder, f"adapter {i}.gguf")
        write_adapter(file, model.architecture, shapes, made, i)
        merge(model, file, made)
        flags += ["--lora", file if made[3] == 1.0 else f"{file}:{made[3]}"]
    ids = np.random.default_rng(1).integers(0, 258, architectures_test.POSITIONS)
    log_softmax = architectures_test.log_softmax
    exact = log_softmax(reference.forward(model, ids))
    ours, why = architectures_test.troupe_logits(path, ids, "-t", "1", *flags)
    if ours is None:
        return float("inf"), why
    return float((np.exp(exact) * (exact - log_softmax(ours))).sum(-1).mean()), ""


def main():
    if not os.access(BINARY, os.X_OK):
        skip("TROUPE_BIN names no command")
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for case in ("llama", "phi3", "gemma", "granite", "llama, biases"):
            for matrices, most in MOST.items():
                plain, _ = divergence(case, matrices, (), folder)
                for adapters in (ADAPTERS[:1], ADAPTERS[:2], ADAPTERS):
                    name = f"{case}, {matrices}, {len(adapters)} adapters"
                    mean, why = divergence(case, matrices, adapters, folder)
                    print(f"{name}: {mean:.2e} nats, without {plain:.2e} {why}", flush=True)
                    if not mean <= most:
                        wrong.append(name)
    print(f"wrong: {'; '.join(wrong) or 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
