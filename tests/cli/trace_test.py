"""`--trace FILE`, and `troupe trace summary FILE`. TROUPE_BIN and TROUPE_MODELS as in cli_test.py."""

import json
import unittest

from cli_test import FRANCE, MODEL, Case, ended_with, needs_binary, needs_model


@needs_binary
class Summary(Case):
    def test_wrong_use(self):
        self.fail_with(2, "trace", names="ACTION")
        self.fail_with(2, "trace", "summary", names="FILE")
        self.fail_with(2, "trace", "sum", "t.json", names="summary")
        self.fail_with(1, "trace", "summary", "/no/such/t.json", names="/no/such/t.json")

    def test_files_that_are_none(self):
        path = self.folder() / "t.json"
        for text in (b"", b"no JSON", b'{"traceEvents":[]}', b"[" * 100000, bytes(range(256)) * 100):
            path.write_bytes(text)
            self.fail_with(1, "trace", "summary", path, names="no trace that troupe has written")
        self.fail_with(1, "trace", "summary", path.parent, names=str(path.parent))


@needs_model
class Traced(Case):
    def traced(self, verb, *args):
        path = self.folder() / "t.json"
        printed = self.succeed(verb, "-m", MODEL, *args, "--trace", path)
        return path, printed

    def test_opens_in_viewers(self):
        path, _ = self.traced("bench", "-t", 1, "--plan", "pp2", "--parallel", 4, "-p", 16, "-n", 16, "-r", 1)
        trace = json.loads(path.read_text())
        events = trace["traceEvents"]
        self.assertEqual(trace["otherData"], {"writer": "troupe", "format": 1, "overwritten": 0})
        names = {e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
        self.assertEqual(names, {"r0.s0.t0", "r0.s1.t0"})
        self.assertEqual({e["cat"] for e in events if e["ph"] == "X"}, {"step", "compute", "transfer", "wait"})
        layers = {e["args"]["layer"] for e in events if e["name"] == "attention_quantize"}
        self.assertEqual(layers, set(range(30)))
        text = self.succeed("trace", "summary", path).decode()
        for words in ("r0.s0.t0", "pipeline r0", "bubble", "overlap", "\nto change: "):
            self.assertIn(words, text)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        self.fail_with(1, "trace", "summary", path, names="is cut")

    def test_of_logits_and_run(self):
        flags = ("--ids", FRANCE, "--all", "--plan", "tp2")
        path, printed = self.traced("logits", *flags)
        self.assertEqual(printed, self.succeed("logits", "-m", MODEL, *flags))
        self.assertIn("ranks of r0.s0", self.succeed("trace", "summary", path).decode())
        path, printed = self.traced("run", "-p", "The capital of France is", "-n", 4, "-t", 1)
        self.assertEqual(printed, self.succeed("run", "-m", MODEL, "-p", "The capital of France is", "-n", 4, "-t", 1))
        self.assertIn("sampling", self.succeed("trace", "summary", path).decode())

    def test_that_cannot_be_written(self):
        for verb, *args in (("run", "-p", "x"), ("logits", "--ids", "1"), ("bench", "-n", "1")):
            self.fail_with(1, verb, "-m", MODEL, *args, "--trace", "/no/such/t.json", names="/no/such/t.json")


if __name__ == "__main__":
    ended_with(unittest.main(exit=False).result)
