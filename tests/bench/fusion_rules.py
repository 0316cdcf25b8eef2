"""What each fusion rule gives: all rules beside all but this one, in turn, and plain ops beside all rules.

    fusion_rules.py MODEL.gguf [--troupe build/bin/troupe] [--rounds 5] [--prompt 512] [--threads 2]

Prints of each rule how often it found its place, the ratio of speeds with and without it (medians of the ratios of
alternating rounds) for a prompt and for decoding one row, and what it saves of a shard's activations, in bytes."""
import argparse
import json
import re
import statistics
import subprocess
import sys


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"fusion_rules.py: {' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Command:
    def __init__(self, args):
        self.troupe, self.model, self.threads, self.prompt = args.troupe, args.model, str(args.threads), str(args.prompt)

    def rules(self):
        """By name: how often each is used."""
        text = run(self.troupe, "inspect", self.model, "--program")
        return {rule: int(times) for rule, times in re.findall(r"fused by ([\w-]+): (\d+) times", text)}

    def speeds(self, fusion):
        text = run(self.troupe, "bench", "-m", self.model, "-t", self.threads, "-p", self.prompt, "-n", "64", "-r", "2",
                   "-o", "json", "--fusion", fusion)
        return [statistics.median(row["samples_ts"]) for row in json.loads(text)]

    def activations(self, fusion):
        text = run(self.troupe, "inspect", self.model, "-t", self.threads, "-b", self.prompt, "--fusion", fusion)
        return int([line for line in text.splitlines() if line.startswith("sum ")][0].split()[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--troupe", default="build/bin/troupe")
    for name, default in (("rounds", 5), ("prompt", 512), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    command = Command(args)
    rules = command.rules()
    without = {rule: ",".join(other for other in rules if other != rule) for rule in rules} | {"(all)": "off"}
    print(f"{'rule':20}{'times':>6}{'prompt':>9}{'decode':>9}{'bytes saved':>13}")
    whole = command.activations("on")
    for rule, fusion in without.items():
        ratios = []
        for number in range(args.rounds):
            print(f"\r{rule}: round {number + 1} of {args.rounds} ", end="", file=sys.stderr, flush=True)
            ratios.append([a / b for a, b in zip(command.speeds("on"), command.speeds(fusion))])
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
        prompt, decode = (statistics.median(column) for column in zip(*ratios))
        saved = command.activations(fusion) - whole
        print(f"{rule:20}{rules.get(rule, sum(rules.values())):6}{prompt:9.3f}{decode:9.3f}{saved:13}", flush=True)


main()
