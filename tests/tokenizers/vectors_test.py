"""The vocabularies that llama.cpp tests itself with: every text of their .inp files has the ids of their .out files.

Nothing of them is here. ../shared/peers/get-llama-cpp.sh unpacks them outside the project; where it is absent, or cannot,
this says so and is skipped (exit code 77).

TROUPE_BUILD     the build folder, with lib/libtroupe.so
TROUPE_SHARED    the shared folder
TROUPE_SANITIZE  not empty: Python cannot load the library, so everything is skipped
"""

import glob
import os
import pathlib
import subprocess
import sys
import time
import unittest

from library import Tokenizer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from modules import skip

OTHER_KINDS = {"bert-bge": "WordPiece", "nomic-bert-moe": "Unigram"}
MIB = 1 << 20


def unpacked():
    """The folder of the vocabularies."""
    script = os.path.join(os.environ.get("TROUPE_SHARED", "../shared"), "peers", "get-llama-cpp.sh")
    if not os.path.exists(script):
        skip(f"there is no {script}, which gets the vocabularies of llama.cpp")
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip(f"{script} cannot get the vocabularies: {done.stderr.strip().splitlines()[-1:]}")
    return os.path.join(done.stdout.strip(), "models")


def vocabularies():
    """Names and files of those whose kinds there are."""
    files = sorted(glob.glob(os.path.join(FOLDER, "ggml-vocab-*.gguf")))
    named = {os.path.basename(file)[len("ggml-vocab-") : -len(".gguf")]: file for file in files}
    return {name: file for name, file in named.items() if name not in OTHER_KINDS}


def vectors(file):
    """Texts with their ids, where a vocabulary has them."""
    if not os.path.exists(file + ".inp"):
        return []
    with open(file + ".inp", "rb") as texts, open(file + ".out", encoding="ascii") as lines:
        split = texts.read().split(b"\n__ggml_vocab_test__\n")
        ids = [[int(number) for number in line.split()] for line in lines.read().split("\n")]
    return list(zip(split, ids))


class Vectors(unittest.TestCase):
    def test_every_text_has_the_ids_of_the_models_own_tokenizer(self):
        passed = {}
        for name, file in vocabularies().items():
            with Tokenizer(file) as tokenizer:
                for text, ids in vectors(file):
                    with self.subTest(vocabulary=name, text=text):
                        self.assertEqual(tokenizer.encode(text), ids)
                        self.assertEqual(tokenizer.decode(ids), text)
                    passed[name] = passed.get(name, 0) + 1
        print(f"{sum(passed.values())} texts of {len(passed)} vocabularies: {', '.join(passed)}")
        self.assertGreater(len(passed), 10)

    def test_special_tokens_of_phi_3_take_the_white_space_behind_them_along(self):
        with Tokenizer(vocabularies()["phi-3"]) as tokenizer:
            ids = tokenizer.encode(b"<|user|>\nHello<|end|>\n<|assistant|>\n", parse_special=True)
            self.assertEqual(ids, [32010, 15043, 32007, 32001])

    def test_a_mib_of_one_character_takes_no_longer_than_mixed_text(self):
        """Prints milliseconds; fails only where the time grows faster than the text."""
        for name, file in vocabularies().items():
            slowest = (0.0, "")
            with Tokenizer(file) as tokenizer:
                for unit in "a A 1 中 é ! ' _ \u0301 \u0600".split() + [" ", "\n", "\r", "\t", "\u3000", "\xff"]:
                    raw = unit.encode("latin-1" if unit == "\xff" else "utf-8")
                    times = [self.milliseconds(tokenizer, raw, MIB >> 4, 3), self.milliseconds(tokenizer, raw, MIB, 1)]
                    if times[1] >= 64 * times[0] + 50:  # the machine was busy, or it is slow each time
                        times = [self.milliseconds(tokenizer, raw, size, 9) for size in (MIB >> 4, MIB)]
                    slowest = max(slowest, (times[1], unit))
                    with self.subTest(vocabulary=name, unit=unit, milliseconds=times):
                        self.assertLess(times[1], 64 * times[0] + 50)
            print(f"{name}: at most {slowest[0]:.0f} ms a MiB, of {slowest[1]!r}")

    def milliseconds(self, tokenizer, unit, size, rounds):
        """The fastest of some."""
        text, times = (unit * (size // len(unit) + 1))[:size], []
        for _ in range(rounds):
            start = time.process_time()
            tokenizer.encode(text)
            times.append(1000 * (time.process_time() - start))
        return min(times)


if os.environ.get("TROUPE_SANITIZE"):
    skip("Python cannot load a library that is built with a sanitizer")
FOLDER = unpacked()
if __name__ == "__main__":
    unittest.main()
