"""Eight ranks on however few cores finish, every time, and say what one shard says.

usage: eight_ranks.py [RUNS]     runs of each plan, 100 by default

TROUPE_BIN      the command; without it everything is skipped (exit code 77)
TROUPE_MODELS   a folder with SmolLM2-135M-Instruct.Q4_1.gguf; the same without it
"""

import os
import subprocess
import sys
import time

BINARY = os.environ.get("TROUPE_BIN", "")
MODELS = os.environ.get("TROUPE_MODELS") or os.path.expanduser("~/.cache/troupe/models")
MODEL = os.path.join(MODELS, "SmolLM2-135M-Instruct.Q4_1.gguf")
PLANS = (("tp8", 1), ("pp8", 1), ("dp8", 1), ("dp2.pp2.tp2", 1), ("dp2.pp2.tp2", 2))  # with threads of each rank
PATIENCE = 1800  # seconds; a run takes about one


def run(plan, threads):
    """What the command says, or None where it hangs or fails."""
    prompt = "The capital of France is"
    command = [BINARY, "run", "-m", MODEL, "--plan", plan, "-t", str(threads), "-p", prompt, "-n", "32"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        print(f"{plan}: still running after {PATIENCE} s")
        return None
    if done.returncode != 0:
        print(f"{plan}: exit code {done.returncode}: {done.stderr.decode()}")
        return None
    return done.stdout


def main():
    if not os.access(BINARY, os.X_OK) or not os.path.exists(MODEL):
        print(f"skipped: TROUPE_BIN names no command, or there is no {MODEL}")
        return 77
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    expected = run("tp1", 1)
    failed = False
    for plan, threads in PLANS:
        start = time.monotonic()
        finished = sum(run(plan, threads) == expected for _ in range(runs))
        print(f"{plan} -t {threads}: {finished} of {runs} runs finished, {time.monotonic() - start:.0f} s", flush=True)
        failed |= finished != runs or expected is None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
