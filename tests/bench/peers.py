"""Runs troupe and llama.cpp in turn and prints medians, ratios and shares of the machine's limits as Markdown tables.

Called by peers.sh. Whatever is compared alternates, round by round, so that what else the machine does hits all alike.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys

PREFILL, DECODE = ("-p", "512", "-n", "0"), ("-p", "0", "-n", "64")
PHASES = {"prefill 512": PREFILL, "decode": DECODE}


def output_of(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def speed_of(bench_json):
    """Tokens a second of the one row that a bench printed."""
    (row,) = json.loads(bench_json)
    return row["avg_ts"]


def alternate(title, rounds, contenders):
    """Calls every contender once a round; the median of what each returned, number or tuple of numbers."""
    seen = {name: [] for name in contenders}
    for i in range(rounds):
        print(f"{title}: round {i + 1} of {rounds}", file=sys.stderr)
        for name, measure in contenders.items():
            seen[name].append(measure())
    return {name: median(values) for name, values in seen.items()}


def median(values):
    if isinstance(values[0], tuple):
        return tuple(statistics.median(column) for column in zip(*values))
    return statistics.median(values)


def table(title, head, rows):
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


class Weights:
    """What a token costs: bytes read to decode one, and operations of the layers to prefill one."""

    def __init__(self, troupe, model):
        lines = output_of([troupe, "inspect", model]).split("\ntensors\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
        tensors = {name: (int(rows), int(columns), int(size)) for name, _, rows, columns, size in map(str.split, lines)}
        embedding = "token_embd.weight"
        tied = "output.weight" not in tensors
        self.bytes = sum(size for name, (_, _, size) in tensors.items() if tied or name != embedding)
        self.operations = sum(
            2 * rows * columns
            for name, (rows, columns, _) in tensors.items()
            if rows > 1 and name not in (embedding, "output.weight")
        )


class Bench:
    def __init__(self, arguments):
        self.troupe = os.path.join(arguments.build, "bin", "troupe")
        self.programs = os.path.join(arguments.build, "tests", "bench")
        self.llama = os.path.join(arguments.llama, "llama-bench")
        self.rounds = arguments.rounds

    def troupe_command(self, model, phase, threads, *more, repetitions=1):
        return [self.troupe, "bench", "-m", model, "-t", str(threads), *phase, "-r", str(repetitions), "-o", "json",
                *more]

    def run_troupe(self, *args, **options):
        return speed_of(output_of(self.troupe_command(*args, **options)))

    def run_llama(self, model, phase, threads):
        return speed_of(output_of([self.llama, "-m", model, "-t", str(threads), *phase, "-r", "1", "-o", "json"]))

    def run_limits(self, threads):
        """Bytes read and 8-bit operations a second."""
        text = output_of([os.path.join(self.programs, "kernels"), "--limits"])
        found = re.search(rf"threads {threads}: read ([\d.]+) GB/s, 8-bit products ([\d.]+) GOP/s", text)
        return float(found[1]) * 1e9, float(found[2]) * 1e9

    def run_actor_cost(self, model, threads):
        """Tokens a second with actors and in a plain loop, and their ratio."""
        pairs_of_128_tokens = ("128", "5")
        text = output_of([os.path.join(self.programs, "actor_cost"), model, threads, *pairs_of_128_tokens])
        found = re.search(r"actors ([\d.]+) .* loop ([\d.]+) .* ratio ([\d.]+)", text)
        return tuple(map(float, found.groups()))

    def run_two_processes(self, model, phase, repetitions):
        """Two independent one-thread processes at once, 8 sequences each."""
        command = self.troupe_command(model, phase, 1, "--parallel", "8", repetitions=repetitions)
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        return sum(speed_of(process.communicate()[0]) for process in both)

    def peers(self, models):
        rows = []
        for model in models:
            weights = Weights(self.troupe, model)
            for threads in (1, 2):
                for phase, flags in PHASES.items():
                    name = f"{os.path.basename(model)}, {threads} thread(s), {phase}"
                    speed = alternate(name, self.rounds, {
                        "troupe": lambda: self.run_troupe(model, flags, threads),
                        "llama": lambda: self.run_llama(model, flags, threads),
                        "limits": lambda: self.run_limits(threads),
                    })
                    read, operations = speed["limits"]
                    share = (
                        f"{speed['troupe'] * weights.bytes / read:.0%} of {read / 1e9:.1f} GB/s"
                        if flags is DECODE
                        else f"{speed['troupe'] * weights.operations / operations:.0%} of {operations / 1e9:.0f} GOP/s"
                    )
                    rows.append((os.path.basename(model), str(threads), phase, f"{speed['troupe']:.1f}",
                                 f"{speed['llama']:.1f}", f"{speed['troupe'] / speed['llama']:.2f}", share))
        table("troupe and llama.cpp, tokens a second",
              ("model", "threads", "", "troupe", "llama.cpp", "ratio", "troupe's share of the machine's limit"), rows)

    def splits(self, models):
        rows = []
        repetitions = {"prefill 512": 1, "decode": 3}  # a prefill of 16 prompts takes seconds
        for model in models:
            for phase, flags in PHASES.items():
                def run(plan):
                    sixteen = ("--plan", plan, "--parallel", "16")
                    return lambda: self.run_troupe(model, flags, 1, *sixteen, repetitions=repetitions[phase])

                speed = alternate(f"{os.path.basename(model)}, splits, {phase}", self.rounds, {
                    "ceiling": lambda: self.run_two_processes(model, flags, repetitions[phase]),
                    "dp2": run("dp2"), "pp2": run("pp2")})
                rows.append((os.path.basename(model), phase, f"{speed['ceiling']:.1f}",
                             *(f"{speed[plan]:.1f} ({speed[plan] / speed['ceiling']:.2f})" for plan in ("dp2", "pp2"))))
        table("What a split costs: one thread a shard, 16 sequences, tokens a second (ratio)",
              ("model", "", "two processes of 8 sequences", "dp2", "pp2"), rows)

    def tensor_parallel(self, models):
        rows = []
        for model in models:
            for phase, flags in PHASES.items():
                speed = alternate(f"{os.path.basename(model)}, tp2, {phase}", self.rounds, {
                    "one": lambda: self.run_troupe(model, flags, 2),
                    "tp2": lambda: self.run_troupe(model, flags, 1, "--plan", "tp2")})
                rows.append((os.path.basename(model), phase, f"{speed['one']:.1f}",
                             f"{speed['tp2']:.1f} ({speed['tp2'] / speed['one']:.2f})"))
        table("tp2 with one thread a shard, one stream, tokens a second (ratio)",
              ("model", "", "one shard with two threads", "tp2"), rows)

    def actor_cost(self, models):
        rows = []
        for model in models:
            for threads in ("1", "2"):
                # The ratio differs from process to process by a few percent, more than within one.
                name = f"{os.path.basename(model)}, actors and a plain loop, {threads} thread(s)"
                actors, loop, ratio = alternate(name, self.rounds, {
                    "both": lambda: self.run_actor_cost(model, threads)})["both"]
                rows.append((os.path.basename(model), threads, f"{actors:.1f}", f"{loop:.1f}", f"{ratio:.3f}"))
        table("What actors cost: decode, tokens a second", ("model", "threads", "actors", "plain loop", "ratio"), rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the build folder")
    parser.add_argument("--llama", required=True, help="the folder of llama-bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    bench.peers(arguments.models)
    bench.actor_cost(arguments.models)
    bench.tensor_parallel(arguments.models)
    bench.splits(arguments.models)


if __name__ == "__main__":
    main()
