"""Whether a process holds as much memory as `troupe inspect` promised, and loads as fast as it should.

TROUPE_BIN       the command; without it everything is skipped (exit code 77)
TROUPE_MODELS    a folder with the test models; those that are missing are skipped
TROUPE_SANITIZE  not empty: memory is not the product's own, so everything is skipped
"""

import itertools
import json
import os
import re
import subprocess
import sys
import time
import unittest

BINARY = os.environ.get("TROUPE_BIN", "")
MODELS = os.environ.get("TROUPE_MODELS") or os.path.expanduser("~/.cache/troupe/models")
FILES = ("SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf")
PLANS = ("tp1", "tp2", "pp2", "dp2")
SENTENCE = "The engine in the lighthouse hums quietly while the rain falls. "


def output(*args):
    return subprocess.run([BINARY, *map(str, args)], capture_output=True, timeout=300, check=True, text=True).stdout


def promised(*args):
    """The bytes that all actors together would hold."""
    for line in output("inspect", *args).splitlines():
        if line.startswith("sum "):
            return int(line.split()[5])
    raise AssertionError("inspect prints no sum")


def peak(*args):
    """The most anonymous memory that the command held, in bytes: looked at every few milliseconds."""
    most = 0
    with subprocess.Popen([BINARY, *map(str, args)], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    if match := re.search(r"RssAnon:\s+(\d+) kB", status.read()):
                        most = max(most, int(match[1]) * 1024)
            except (FileNotFoundError, ProcessLookupError):
                pass
            time.sleep(0.002)
    if process.returncode != 0:
        raise AssertionError(f"{args} failed")
    return most


def filling_prompt(model, context):
    """A text that takes up all but a few positions of the context."""
    tokens = len(json.loads(output("tokenize", "-m", model, "--json", SENTENCE * 16))["ids"]) / 16
    return SENTENCE * int((context - 8) / tokens)


class Memory(unittest.TestCase):
    def hold(self, file, plan, context, sequences, *command):
        options = ["--plan", plan, "-c", context]
        model = os.path.join(MODELS, file)
        promise = promised(model, *options, "--parallel", sequences)
        held = peak(*command, "-m", model, *options)
        name = f"{file} {plan} {command[0]}, {sequences} sequence(s)"
        print(f"{name}: promised {promise}, held at most {held}, {held / promise:.3f}", flush=True)
        self.assertLess(abs(held / promise - 1), 0.05, name)

    def test_of_a_run_whose_context_fills_up(self):
        for file, plan in itertools.product(FILES, PLANS):
            model = os.path.join(MODELS, file)
            if not os.path.exists(model):
                print(f"skipped: there is no {model}")
                continue
            with self.subTest(file=file, plan=plan):
                self.hold(file, plan, 1024, 1, "run", "-p", filling_prompt(model, 1024), "-n", 8)

    def test_of_sequences_that_fill_their_contexts_together(self):
        if not os.path.exists(os.path.join(MODELS, FILES[0])):
            self.skipTest(f"there is no {FILES[0]}")
        for plan in PLANS:
            with self.subTest(plan=plan):
                self.hold(FILES[0], plan, 320, 4, "bench", "-p", 0, "-n", 320, "-r", 1, "--parallel", 4)


class Load(unittest.TestCase):
    def test_takes_less_than_a_second(self):
        model = os.path.join(MODELS, FILES[0])
        if not os.path.exists(model):
            self.skipTest(f"there is no {model}")
        taken = []
        for _ in range(5):
            start = time.monotonic()
            output("run", "-m", model, "-p", "Hi", "-n", 1)
            taken.append(time.monotonic() - start)
        print(f"{FILES[0]}: from the command's start to the end of its first token {min(taken):.2f} s")
        self.assertLess(min(taken), 1)


if __name__ == "__main__":
    if not os.access(BINARY, os.X_OK):
        print("skipped: TROUPE_BIN names no command")
        sys.exit(77)
    if os.environ.get("TROUPE_SANITIZE"):
        print("skipped: sanitizers hold memory of their own")
        sys.exit(77)
    unittest.main()
