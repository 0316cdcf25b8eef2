"""Whole models and suites on 64-bit ARM, by a cross build under qemu: the same hashes of logits as here.

TROUPE_BIN      the command of this machine
TROUPE_MODELS   where SmolLM2 and Gemma3 are
Installs libraries and builds into build-arm64. Skipped (exit code 77) where the cross compiler or qemu-user are missing.
"""

import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent / "golden")]
from modules import restart_with, skip

try:
    import numpy as np
    from gguf.constants import GGML_QUANT_SIZES

    import tiny_files
except ImportError:
    restart_with("gguf", "gguf", "gguf==0.19.0", "numpy")

SOURCE = HERE.parents[1]
BUILD = SOURCE / "build-arm64"
LIBRARIES = pathlib.Path.home() / ".cache/troupe/arm64"
PATH = ":".join(str(LIBRARIES / folder / "aarch64-linux-gnu") for folder in ("usr/lib", "lib"))
HERE_COMMAND = [os.environ.get("TROUPE_BIN", "")]
ARM_COMMAND = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-E", f"LD_LIBRARY_PATH={PATH}", str(BUILD / "bin/troupe")]
SUITES = ("transport", "runtime", "actors", "host")
MODELS = ("SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf")
WAYS = ((), ("--plan", "tp3"), ("--plan", "pp2.tp2"), ("--fusion", "off"))
IDS = ",".join(str(2 + 37 * i % 250) for i in range(20))

# Where blocks hold F16 scales, and what these are about, so that activations stay near one.
SCALES = {
    "F16": None,
    "BF16": None,
    "F32": None,
    "Q4_0": ((0,), 8),
    "Q4_1": ((0, 2), 8),
    "Q5_0": ((0,), 16),
    "Q5_1": ((0, 2), 16),
    "Q8_0": ((0,), 128),
    "Q2_K": ((80, 82), 32),
    "Q3_K": ((108,), 128),
    "Q4_K": ((0, 2), 512),
    "Q5_K": ((0, 2), 1024),
    "Q6_K": ((208,), 4096),
    "IQ4_NL": ((0,), 128),
    "IQ4_XS": ((0,), 4096),
    "MXFP4": ((), 8),
}


def run(*command):
    subprocess.run([str(word) for word in command], cwd=SOURCE, check=True)


def build():
    run(HERE / "sysroot.sh")
    run("cmake", "--preset", "arm64", "-DTROUPE_TESTS=ON", "-DTROUPE_SAMPLES=OFF")
    run("cmake", "--build", BUILD, "--target", "troupe_cli", *(f"{suite}_tests" for suite in SUITES))


def logits_hash(command, path, *flags):
    done = subprocess.run([*command, "logits", "-m", str(path), "--ids", IDS, "--all", *flags], capture_output=True, text=True)
    return json.loads(done.stdout)["hash"] if done.returncode == 0 else f"failed: {done.stderr.strip()}"


def random_blocks(data, kind):
    """In place of a matrix, as many random elements of a weight type, which Python cannot always quantise to."""
    if SCALES[kind.name] is None:
        return tiny_files.quantize(data, kind)
    places, level = SCALES[kind.name]
    (rows, columns), (elements, size) = data.shape, GGML_QUANT_SIZES[kind]
    scale = np.float16(1 / (level * math.sqrt(columns)))
    blocks = np.random.default_rng(data.size).integers(0, 256, (rows, columns // elements, size), np.uint8)
    for place in places:
        blocks[..., place : place + 2] = np.frombuffer(scale.tobytes(), np.uint8)
    if not places:
        blocks[..., 0] = 127 + round(math.log2(scale))
    return blocks.reshape(rows, -1)


def files(folder):
    """(name, path) of the models: the real ones that are here, and a tiny one of each weight type."""
    for name in MODELS:
        path = pathlib.Path(os.environ.get("TROUPE_MODELS", "")) / name
        if path.exists():
            yield name, path
        else:
            print(f"skipped: {name} is not here")
    sizes = {"embedding_length": 256, "feed_forward_length": 512, "attention.layer_norm_rms_epsilon": 1e-5}
    tiny_files.CASES["tiny"] = tiny_files.case("llama", **tiny_files.FOUR, keys=sizes)
    for name in SCALES:
        path = pathlib.Path(folder) / f"{name}.gguf"
        tiny_files.write("tiny", path, name, random_blocks)
        yield name, path


def main():
    if not os.access(HERE_COMMAND[0], os.X_OK):
        skip("TROUPE_BIN names no command")
    for tool in ("aarch64-linux-gnu-g++", "qemu-aarch64"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not here")
    build()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files(folder):
            expected = logits_hash(HERE_COMMAND, path)
            for way in WAYS:
                found = logits_hash(ARM_COMMAND, path, *way)
                wrong += found != expected or "failed" in found
                print(name, *way, expected, "the same" if found == expected else f"but {found}", flush=True)
    suites = subprocess.run(
        ["ctest", "--test-dir", BUILD, "--output-on-failure", "-R", rf"^({'|'.join(SUITES)})\.unit$"], check=False
    )
    sys.exit(1 if wrong or suites.returncode != 0 else 0)


if __name__ == "__main__":
    main()
