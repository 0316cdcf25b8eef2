"""`troupe perplexity` against the same numbers, computed here from `troupe logits --raw`.

TROUPE_BIN and TROUPE_MODELS as in cli_test.py.
"""

import array
import json
import math
import os
import random
import unittest

from cli_test import MODELS, MODEL, Case, ended_with, needs_model

GEMMA = os.path.join(MODELS, "gemma-3-270m-q4_k_m.gguf")
WORDS = "the old house near a river had seven rooms and one of them was dark when rain came from the hills".split()


@needs_model
class Perplexity(Case):
    def text(self, words):
        chance = random.Random(words)
        path = self.folder() / "text"
        path.write_text(" ".join(chance.choices(WORDS, k=words)))
        return path

    def expected(self, model, path, length):
        """By the book: the second half of each window, after its middle, each token by its logarithm."""
        ids = json.loads(self.succeed("tokenize", "-m", model, "--parse-special", "off", "--json", "-f", path))["ids"]
        bos = [2] if model == GEMMA else []
        ids = bos + ids
        values = []
        for start in range(0, len(ids) - length + 1, length):
            window = bos + ids[start + len(bos) : start + length]
            raw = self.folder() / "raw"
            given = ",".join(map(str, window))
            self.succeed("logits", "-m", model, "-c", length, "--ids", given, "--raw", raw)
            rows = array.array("f", raw.read_bytes())
            columns = len(rows) // length
            for position in range(length // 2, length - 1):
                row = rows[position * columns : (position + 1) * columns]
                most = max(row)
                values.append(math.log(math.fsum(math.exp(x - most) for x in row)) + most - row[window[position + 1]])
        mean = math.fsum(values) / len(values)
        spread = math.fsum((value - mean) ** 2 for value in values) / len(values)
        return math.exp(mean), math.exp(mean) * math.sqrt(spread / (len(values) - 1)), len(values)

    def measured(self, model, path, *flags):
        text = self.succeed("perplexity", "-m", model, "-f", path, *flags).decode()
        self.assertRegex(text, r"\Aperplexity: \d+\.\d{4} \+- \d+\.\d{4} over \d+ tokens\n\Z")
        words = text.split()
        return float(words[1]), float(words[3]), int(words[5])

    def check(self, model):
        path = self.text(70)
        expected = self.expected(model, path, 32)
        measured = self.measured(model, path, "-c", 32)
        self.assertEqual(measured[2], expected[2])
        self.assertAlmostEqual(measured[0], expected[0], places=3)
        self.assertAlmostEqual(measured[1], expected[1], places=3)

    def test_is_what_the_logits_say(self):
        self.check(MODEL)

    @unittest.skipUnless(os.path.exists(GEMMA), f"no {GEMMA}")
    def test_windows_begin_with_bos(self):
        self.check(GEMMA)

    def test_windows_are_of_512(self):
        path = self.text(1200)
        self.assertEqual(self.measured(MODEL, path)[2], 2 * 255)
        self.assertEqual(self.measured(MODEL, path), self.measured(MODEL, path, "-c", 512, "--plan", "pp2"))

    def test_short_texts(self):
        self.fail_with(2, "perplexity", "-m", MODEL, "-p", "too short", names="two windows of 512")
        self.fail_with(2, "perplexity", "-m", MODEL, "-p", "too short", "-c", 2, names="-c")


if __name__ == "__main__":
    ended_with(unittest.main(exit=False).result)
