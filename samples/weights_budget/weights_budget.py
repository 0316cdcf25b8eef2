"""Runs a model with part of its weights on disk, read layer by layer while those before them are computed.

usage: weights_budget.py [MODEL.gguf [BUDGET...]]        SmolLM2 and 100% 60% 40% where nothing is said; a minute

For each budget it prints what of the weights is in memory, tokens a second of a prompt and of what is written behind
it, and what came from disk meanwhile. That the bits are the same is shown with 300 tokens. Wants build/bin/troupe, or
another in TROUPE_BIN. Ends with 1 where bits differ.
"""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TROUPE = os.environ.get("TROUPE_BIN") or os.path.join(ROOT, "build", "bin", "troupe")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"weights_budget.py: {' '.join(command)[:200]}: {done.stderr.strip()}")
    return done


def weights_in_memory(model, budget):
    text = run(TROUPE, "inspect", model, "--weights-budget", budget).stdout
    return int([line for line in text.splitlines() if line.startswith("sum ")][0].split()[1])


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(__doc__.strip())
    model = sys.argv[1] if len(sys.argv) > 1 else run(os.path.join(ROOT, "samples", "get_model.sh"),
                                                      "smollm2").stdout.strip()
    budgets = sys.argv[2:] or ["100%", "60%", "40%"]
    ids = ",".join(str(100 + 37 * i % 1000) for i in range(300))
    hashes = set()
    print(f"{'budget':>8}{'MB in memory':>14}{'prompt':>10}{'written':>10}  from disk")
    for budget in budgets:
        flags = ("-m", model, "--weights-budget", budget)
        hashes.add(json.loads(run(TROUPE, "logits", "--all", "--ids", ids, *flags).stdout)["hash"])
        bench = run(TROUPE, "bench", *flags, "-p", "512", "-n", "64", "-r", "3", "-o", "json")
        prompt, written = (row["avg_ts"] for row in json.loads(bench.stdout))
        memory = weights_in_memory(model, budget) / 1e6
        print(f"{budget:>8}{memory:14.1f}{prompt:10.0f}{written:10.1f}  {bench.stderr.strip()}", flush=True)
    print("bits of 300 tokens: " + ("the same" if len(hashes) == 1 else f"DIFFERENT: {hashes}"))
    sys.exit(0 if len(hashes) == 1 else 1)


main()
