"""Reads a long prompt with its rows shared out, by heads (sp2) and by positions (cp2), beside one thread.

usage: long_prompt.py [TOKENS]          16384 of them where nothing is said, which takes six minutes

Runs SmolLM2 with more context than it was trained on, which is for measuring alone. Prints tokens a second of the
prompt and of what is written behind it, against one shard with one thread; what a rank holds of the
KV cache; and the same for a prompt of 256 tokens, which is not to be slower. That the bits are the same is shown with
3000 tokens. Wants build/bin/troupe, or another in TROUPE_BIN. Ends with 1 where bits differ.
"""

import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TROUPE = os.environ.get("TROUPE_BIN") or os.path.join(ROOT, "build", "bin", "troupe")
PLANS = ("tp1", "sp2", "cp2")
TEXT = os.path.join(ROOT, "README.md")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"long_prompt.py: {' '.join(command)[:200]}: {done.stderr.strip()}")
    return done.stdout


def speeds(model, plan, tokens, repetitions):
    """Prefill and decode, tokens a second."""
    rows = json.loads(run(TROUPE, "bench", "-m", model, "-t", "1", "--plan", plan, "-c", str(tokens + 64), "-o", "json",
                          "-p", str(tokens), "-n", "32", "-r", str(repetitions)))
    return [row["avg_ts"] for row in rows]


def compare(model, tokens, rounds, repetitions):
    """Prints a table of medians over alternating rounds."""
    found = {plan: [] for plan in PLANS}
    for number in range(rounds):
        for plan in PLANS:
            print(f"\r{tokens} tokens, round {number + 1} of {rounds}: {plan}   ", end="", file=sys.stderr, flush=True)
            found[plan].append(speeds(model, plan, tokens, repetitions))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    print(f"\n{tokens} tokens {'prompt':>10}{'':>8}{'decode':>10}")
    alone = [statistics.median(column) for column in zip(*found["tp1"])]
    for plan in PLANS:
        mine = [statistics.median(column) for column in zip(*found[plan])]
        print(f"{plan:12}" + "".join(f"{a:10.0f}{a / b:8.2f}" for a, b in zip(mine, alone)), flush=True)


def kv_per_rank(model, plan, tokens):
    text = run(TROUPE, "inspect", model, "--plan", plan, "-t", "1", "-c", str(tokens))
    return [line for line in text.splitlines() if line.strip().startswith(("r0.s0", "actor"))]


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(__doc__.strip())
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 16384
    model = run(os.path.join(ROOT, "samples", "get_model.sh"), "smollm2").strip()
    ids = ",".join(run(TROUPE, "tokenize", "-m", model, "-f", TEXT).strip().split(",")[:3000])
    hashes = {plan: json.loads(run(TROUPE, "logits", "-m", model, "--all", "--ids", ids, "-t", "1", "--plan",
                                   plan))["hash"] for plan in PLANS}
    same = len(set(hashes.values())) == 1
    print("bits of 3000 tokens: " + ("the same" if same else f"DIFFERENT: {hashes}"))
    for plan in PLANS:
        print(f"\n{plan}, of {tokens} positions:\n" + "\n".join(kv_per_rank(model, plan, tokens)))
    compare(model, 256, 3, 5)
    compare(model, tokens, 1, 1)
    sys.exit(0 if same else 1)


main()
