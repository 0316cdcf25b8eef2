"""Makes a model with experts of a dense one of llama's kind, so that there is one that speaks: each expert is the
feed-forward network with a little noise of its own, and the router is random.

usage: upcycle.py DENSE.gguf OUT.gguf [--experts N] [--used N] [--noise SIGMAS] [--skew S]

Sparse upcycling (Komatsuzaki et al. 2023), without the training that would follow. --skew S makes some experts busier:
each one's scores are multiplied by exp(S * N(0, 1)). Needs gguf and numpy, from PyPI.
"""

import argparse

import numpy
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

FFN = ("ffn_gate", "ffn_up", "ffn_down")


def copy_keys(dense, writer):
    for name, field in dense.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        element = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=element)


def noisy(tensor, noise, random):
    weights = dequantize(tensor.data, tensor.tensor_type)
    weights = weights + noise * weights.std() * random.standard_normal(weights.shape, dtype=numpy.float32)
    return quantize(weights.astype(numpy.float32), tensor.tensor_type)


def router(experts, columns, skew, random):
    scores = random.standard_normal((experts, columns)) / numpy.sqrt(columns)
    return (scores * numpy.exp(skew * random.standard_normal((experts, 1)))).astype(numpy.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dense")
    parser.add_argument("out")
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--used", type=int, default=2)
    parser.add_argument("--noise", type=float, default=0.02)
    parser.add_argument("--skew", type=float, default=0.0)
    options = parser.parse_args()

    dense = GGUFReader(options.dense)
    writer = GGUFWriter(options.out, "llama")
    copy_keys(dense, writer)
    writer.add_expert_count(options.experts)
    writer.add_expert_used_count(options.used)
    columns = int(dense.fields["llama.embedding_length"].contents())
    random = numpy.random.default_rng(1)
    for tensor in dense.tensors:
        part = tensor.name.split(".")[-2]
        if part not in FFN:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        experts = numpy.stack([noisy(tensor, options.noise, random) for _ in range(options.experts)])
        writer.add_tensor(tensor.name.replace(part, part + "_exps"), experts, raw_dtype=tensor.tensor_type)
        if part == "ffn_gate":
            scores = router(options.experts, columns, options.skew, random)
            writer.add_tensor(tensor.name.replace(part, "ffn_gate_inp"), scores)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
