"""Random files of every architecture, and of what its files may say, hold to float64: mean divergence at most 0.002.

Where rows choose among experts, the least rounding may change the choice, and with it everything: such files are of F32, and
it is the median that holds, to 1e-5.

TROUPE_BIN      the command; without it everything is skipped (exit code 77)
The modules numpy and gguf are installed into a virtual environment under ~/.cache/troupe where this Python has none.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from modules import restart_with, skip

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("TROUPE_BIN", "")
SOURCE = pathlib.Path(os.environ.get("TROUPE_SOURCE") or HERE / "../..")
PATIENCE = 3600  # seconds: a hang, on any machine
POSITIONS, MOST, MOST_OF_FLOATS = 90, 2e-3, 1e-5

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
try:
    import numpy as np

    import reference
    import tiny_files
except ImportError:
    restart_with("gguf", "gguf", "gguf==0.19.0", "numpy")


def log_softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def troupe_logits(path, ids, *flags):
    raw = path + ".raw"
    command = [BINARY, "logits", "-m", path, "--ids", ",".join(map(str, ids)), "--raw", raw, *flags]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, text=True)
    if done.returncode != 0:
        return None, done.stderr.strip()
    return np.fromfile(raw, np.float32).reshape(len(ids), -1).astype(np.float64), ""


def chooses(name):
    keys = tiny_files.CASES[name]["keys"]
    return keys.get("expert_used_count") != keys.get("expert_count")


def divergence(name, folder):
    """Over the positions, and where it is infinite, why."""
    path = os.path.join(folder, "model.gguf")
    tiny_files.write(name, path, "F32" if chooses(name) else "Q8_0")
    ids = np.random.default_rng(1).integers(0, 258, POSITIONS)
    exact = log_softmax(reference.forward(reference.Model.read(path), ids))
    ours, why = troupe_logits(path, ids, "-t", "1")
    if ours is None:
        return float("inf"), why
    each = (np.exp(exact) * (exact - log_softmax(ours))).sum(-1)
    return float(np.median(each) if chooses(name) else each.mean()), ""


def registered():
    """The names in plugins/builtin.hpp."""
    return set(re.findall(r"^  ARCHITECTURE\((\w+)\)", (SOURCE / "plugins/builtin.hpp").read_text(), re.MULTILINE))


def main():
    if not os.access(BINARY, os.X_OK):
        skip("TROUPE_BIN names no command")
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or tiny_files.CASES:
            found, why = divergence(name, folder)
            print(f"{name}: {found:.2e} nats {why}", flush=True)
            if not found <= (MOST_OF_FLOATS if chooses(name) else MOST):
                wrong.append(name)
    untested = registered() - {one["architecture"].replace("-", "_") for one in tiny_files.CASES.values()}
    if untested:
        wrong.append(f"no case: {', '.join(sorted(untested))}")
    print(f"{len(tiny_files.CASES)} cases, beyond {MOST} (floats: {MOST_OF_FLOATS}): {'; '.join(wrong) or 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
