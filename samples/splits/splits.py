"""Splits a model in every way that there is, and shows that the bits are those of one shard, and what it gives.

usage: splits.py [PLAN ...]          as: splits.py ep2 ep2.tp2 sp2

Runs SmolLM2, and for plans with ep a model with eight experts, two used, that is made of it once, and another whose
router likes some of them much better; "balanced" is with experts dealt out by what they had to do. Each shard has one
thread. Tokens a second, of 16 sequences at once, beside what two independent processes with one thread each come to at
the same time: no split over two threads can give more. Wants build/bin/troupe, or another in TROUPE_BIN. Ends with 1
where bits differ.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TROUPE = os.environ.get("TROUPE_BIN") or os.path.join(ROOT, "build", "bin", "troupe")
CACHE = os.path.join(os.path.expanduser("~"), ".cache", "troupe")
PLANS = ("dp2", "pp2", "tp2", "sp2", "ep2", "dp2.tp2", "pp2.tp2", "ep2.tp2", "sp2.ep2")
TEXT = os.path.join(ROOT, "README.md")
TOKENS = 600  # of it; whose logits are compared


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"splits.py: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def dense_model():
    return run(os.path.join(ROOT, "samples", "get_model.sh"), "smollm2").strip()


def model_with_experts(skew=0.0):
    model = os.path.join(CACHE, "models", f"SmolLM2-135M-8-experts{'-skewed' if skew else ''}.gguf")
    if os.path.exists(model):
        return model
    print("making a model with experts, once: a minute", file=sys.stderr)
    python = os.path.join(CACHE, "gguf", "bin", "python3")
    if not os.path.exists(python):
        run(sys.executable, "-m", "venv", os.path.join(CACHE, "gguf"))
        run(python, "-m", "pip", "install", "--quiet", "gguf==0.19.0", "numpy")
    run(python, os.path.join(HERE, "upcycle.py"), dense_model(), model + ".part", "--skew", str(skew))
    os.rename(model + ".part", model)
    return model


def hash_of(model, plan, ids):
    found = run(TROUPE, "logits", "-m", model, "--all", "--ids", ids, "-t", "1", "--plan", plan)
    return json.loads(found)["hash"]


def bench(model, plan, parallel, *more):
    return [TROUPE, "bench", "-m", model, "-t", "1", "--plan", plan, "-o", "json", "-p", "512", "-n", "64", "-r", "3",
            "--parallel", str(parallel), *more]


def speeds(output):
    """Prefill and decode, tokens a second."""
    return [row["avg_ts"] for row in json.loads(output)]


def speeds_of_two(model):
    """Two processes at once, with half of the sequences each."""
    both = [subprocess.Popen(bench(model, "tp1", 8), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    return [sum(pair) for pair in zip(*map(speeds, outputs))]


def show(name, same, speed, most):
    shares = "" if most is None else "".join(f"{mine / all:9.2f}" for mine, all in zip(speed, most))
    print(f"{name:16}{same:10}" + "".join(f"{each:10.0f}" for each in speed) + shares, flush=True)


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(__doc__.strip())
    plans = sys.argv[1:] or PLANS
    differ = False
    with_experts = [plan for plan in plans if "ep" in plan]
    for model, mine in ((dense_model, [plan for plan in plans if "ep" not in plan]),
                        (model_with_experts, with_experts), (lambda: model_with_experts(1.0), with_experts)):
        if not mine:
            continue
        path = model()
        ids = ",".join(run(TROUPE, "tokenize", "-m", path, "-f", TEXT).strip().split(",")[:TOKENS])
        expected, most = hash_of(path, "tp1", ids), speeds_of_two(path)
        print(f"\n{os.path.basename(path)}\n{'plan':16}{'bits':10}{'prefill':>10}{'decode':>10}   share of two processes")
        show("two processes", "", most, None)
        show("one shard", "", speeds(run(*bench(path, "tp1", 16))), most)
        for plan in mine:
            same = hash_of(path, plan, ids) == expected
            differ |= not same
            show(plan, "the same" if same else "DIFFERENT", speeds(run(*bench(path, plan, 16))), most)
            if "ep" in plan:
                show("  balanced", "", speeds(run(*bench(path, plan, 16, "--balance-experts", "1"))), most)
    sys.exit(1 if differ else 0)


main()
