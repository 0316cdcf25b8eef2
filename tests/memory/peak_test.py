"""Whether a process holds as much memory as `troupe inspect` promised, and loads as cheaply as it should.

TROUPE_BIN       the command; without it everything is skipped (exit code 77)
TROUPE_MODELS    a folder with the test models; those that are missing are skipped
TROUPE_SANITIZE  not empty: memory is not the product's own, so everything is skipped
"""

import fcntl
import itertools
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
import unittest

BINARY = os.environ.get("TROUPE_BIN", "")
MODELS = os.environ.get("TROUPE_MODELS") or os.path.expanduser("~/.cache/troupe/models")
FILES = ("SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf")
PLANS = ("tp1", "tp2", "pp2", "dp2")
SENTENCE = "The engine in the lighthouse hums quietly while the rain falls. "
PATIENCE = 3600  # seconds: a hang, on any machine
WRITE = {"x86_64": "1", "aarch64": "64"}[platform.machine()]  # the number of the system call


def output(*args):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, timeout=PATIENCE, check=True, text=True)
    return done.stdout


def promised(*args):
    """The bytes that all actors together would hold."""
    for line in output("inspect", *args).splitlines():
        if line.startswith("sum "):
            return int(line.split()[5])
    raise AssertionError("inspect prints no sum")


def anonymous(process):
    """The bytes of anonymous memory that a process holds."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        match = re.search(r"RssAnon:\s+(\d+) kB", status.read())
    return int(match[1]) * 1024 if match else 0


def waits_to_print(process):
    """Whether its main thread is inside write(1, …)."""
    with open(f"/proc/{process.pid}/syscall", encoding="ascii") as call:
        return call.read().split()[:2] == [WRITE, "0x1"]


def full_pipe():
    """A pipe into which nothing more goes: whoever writes there waits."""
    reader, writer = os.pipe()
    os.write(writer, b"\n" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
    return reader, writer


def peak(least, *args):
    """The most anonymous memory that the command is seen to hold. What it prints finds no room before it holds `least`
    bytes, so that it is there to be looked at however slowly that is done; for a minute where it does not."""
    reader, writer = full_pipe()
    most, grown = 0, time.monotonic()
    with subprocess.Popen([BINARY, *map(str, args)], stdout=writer) as process:
        os.close(writer)
        while process.poll() is None:
            try:
                waits, held = waits_to_print(process), anonymous(process)
            except (FileNotFoundError, ProcessLookupError):  # it failed just now
                break
            if held > most:
                most, grown = held, time.monotonic()
            if waits and (most >= least or time.monotonic() - grown > 60):
                break
            time.sleep(0.002)
        while os.read(reader, 1 << 16):
            pass
    os.close(reader)
    if process.returncode != 0:
        raise AssertionError(f"{args} failed")
    return most


def filling_prompt(model, context):
    """A text that takes up all but a few positions of the context."""
    tokens = len(json.loads(output("tokenize", "-m", model, "--json", SENTENCE * 16))["ids"]) / 16
    return SENTENCE * int((context - 8) / tokens)


class Memory(unittest.TestCase):
    def hold(self, file, plan, context, sequences, *command, budget="100%"):
        options = ["--plan", plan, "-c", context, "--weights-budget", budget]
        model = os.path.join(MODELS, file)
        promise = promised(model, *options, "--parallel", sequences)
        held = peak(promise * 0.95, *command, "-m", model, *options)
        name = f"{file} {plan} {command[0]}, {sequences} sequence(s), {budget} of the weights"
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
                self.hold(FILES[0], plan, 192, 4, "bench", "-p", 0, "-n", 192, "-r", 1, "--parallel", 4)


    def test_of_weights_that_are_on_disk(self):
        if not os.path.exists(os.path.join(MODELS, FILES[0])):
            self.skipTest(f"there is no {FILES[0]}")
        output("logits", "-m", os.path.join(MODELS, FILES[0]), "--ids", 1, "--weights-budget", "45%")  # packs them
        self.hold(FILES[0], "tp1", 64, 4, "bench", "-p", 0, "-n", 64, "-r", 1, "--parallel", 4, budget="45%")


class Load(unittest.TestCase):
    def cost(self, *args):
        """The processor time that the command takes: it does not grow where others take turns."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output("run", "-m", os.path.join(MODELS, FILES[0]), "-t", 1, "-n", 1, *args)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def test_costs_less_than_a_long_prompt(self):
        """fault 25: loading is held to this machine's own speed, not to a second"""
        model = os.path.join(MODELS, FILES[0])
        if not os.path.exists(model):
            self.skipTest(f"there is no {model}")
        prompt = filling_prompt(model, 1024)
        loading = min(self.cost("-p", "Hi") for _ in range(3))
        computing = self.cost("-p", prompt) - loading
        print(f"{FILES[0]}: {loading:.2f} s of processor time to load, {computing:.2f} s for 1016 tokens")
        self.assertLess(loading, computing)


if __name__ == "__main__":
    if not os.access(BINARY, os.X_OK):
        print("skipped: TROUPE_BIN names no command")
        sys.exit(77)
    if os.environ.get("TROUPE_SANITIZE"):
        print("skipped: sanitizers hold memory of their own")
        sys.exit(77)
    result = unittest.main(exit=False).result
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    sys.exit(not result.wasSuccessful())
