"""Is one build of troupe as fast as another? Both alternate, case by case, so that what else the machine does meets both.

    compare.py OLD/bin/troupe NEW/bin/troupe MODEL.gguf [--rounds 7] [--cases "decode tp2,prefill"]

Prints the median tokens per second of each and the median of the ratios new : old, round by round."""
import argparse
import json
import statistics
import subprocess
import sys

CASES = {
    "prefill 1 thread": ["-t", "1", "-p", "512", "-n", "0"],
    "prefill 2 threads": ["-t", "2", "-p", "512", "-n", "0"],
    "decode 1 thread": ["-t", "1", "-p", "0", "-n", "128"],
    "decode 2 threads": ["-t", "2", "-p", "0", "-n", "128"],
    "decode dp2": ["-t", "1", "--plan", "dp2", "--parallel", "16", "-p", "0", "-n", "64"],
    "decode pp2": ["-t", "1", "--plan", "pp2", "--parallel", "16", "-p", "0", "-n", "64"],
    "decode tp2": ["-t", "1", "--plan", "tp2", "-p", "0", "-n", "128"],
    "prefill dp2": ["-t", "1", "--plan", "dp2", "--parallel", "2", "-p", "512", "-n", "0"],
    "prefill pp2": ["-t", "1", "--plan", "pp2", "--parallel", "2", "-p", "512", "-n", "0"],
    "prefill tp2": ["-t", "1", "--plan", "tp2", "-p", "512", "-n", "0"],
}


def speed(program, model, flags):
    command = [program, "bench", "-m", model, "-r", "3", "-o", "json", *flags]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"compare.py: {' '.join(command)}: {result.stderr.strip()}")
    return statistics.median(json.loads(result.stdout)[0]["samples_ts"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old", "new", "model"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", default="", help="parts of the cases' names, with commas between")
    args = parser.parse_args()
    wanted = args.cases.split(",")
    for name, flags in CASES.items():
        if not any(part in name for part in wanted):
            continue
        old, new = [], []
        for i in range(args.rounds):
            for program, speeds in [(args.old, old), (args.new, new)][:: 1 if i % 2 == 0 else -1]:
                speeds.append(speed(program, args.model, flags))
        ratio = statistics.median(n / o for n, o in zip(new, old))
        print(f"{name:20} {statistics.median(old):8.1f} -> {statistics.median(new):8.1f} tokens/s   {ratio:.3f}", flush=True)


main()
