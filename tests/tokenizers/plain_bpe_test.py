"""Random texts have the ids that byte-pair encoding by the book gives, by every list of patterns and every name.

TROUPE_BUILD     the build folder, with lib/libtroupe.so
TROUPE_TEXTS     of each list; default 300
TROUPE_SEED      of the texts; default: a new one, which is printed
TROUPE_SANITIZE  not empty: Python cannot load the library, so everything is skipped (exit code 77)
"""

import collections
import os
import random
import sys
import tempfile
import unicodedata
import unittest

from gguf import Gguf
from library import Tokenizer

try:
    import plain_bpe
except ImportError as missing:
    print(f"skipped: {missing}; `pip install regex` gets it")
    sys.exit(77)

TEXTS = int(os.environ.get("TROUPE_TEXTS") or 300)
SEED = int(os.environ.get("TROUPE_SEED") or random.randrange(1 << 32))

# What the patterns tell apart. Characters at random beside them are of Unicode 14 or older: PCRE2 and `regex` may know
# different ones of the newer.
SNIPPETS = (
    "a b c Z Q É ß ǅ ʰ ª ı ſ Σ ж Ж א ب क ก မ ក 中 文 々 〇 ⺀ 가 ㄱ ㄅ あ ア ｱ ー \u0301 \u0903 \U00016ff0 \u3099 \U0001d400 \U00010400 "
    "\U00020000 0 1 2 7 9 ٣ ½ Ⅷ ² １ ੩ . , ! ? ' \" ( ) [ ] { } < > = + - * / \\ | ^ ~ ` @ # $ % & _ … 。 ， 、 ۔ ، ‘ ” — ： ； 〜 ︰ "
    "€ ° © 🦙 ✅ \u200b \u200d \u180e \ufe0f \ue000 \x00 \x01 \x1c \x7f \u2028 \u0085 \xa0 \u3000 \u2003 \t \r \n \r\n \v "
    "'s 't 'RE 've 'M 'll 'D 'ſ don't I'M <sentinel:12> IMGIMGABZ IMGIMGABCDEZ 1234567 100 hello Hello WORLD aB __ab /path/"
).split(" ") + [" ", "  ", " \n", " a", " 1"]


def any_character(source):
    while True:
        character = chr(source.choice([source.randrange(0x800), source.randrange(0x10000), source.randrange(0x110000)]))
        if unicodedata.category(character) not in ("Cn", "Cs"):
            return character


def random_text(source):
    text = ""
    for _ in range(source.randrange(1, 24)):
        unit = any_character(source) if source.random() < 0.1 else source.choice(SNIPPETS)
        repeats = source.choice([1, 1, 1, 1, 1, 2, 3, 7])
        text += unit * (repeats if source.random() < 0.998 else 700)
    return text


def trained(symbols, count):
    """So many merges of the pairs that stand side by side most often, whatever words they belong to."""
    merges = []
    while len(merges) < count:
        pairs = collections.Counter(zip(symbols, symbols[1:]))
        (left, right), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append((left, right))
        joined, at = [], 0
        while at < len(symbols):
            fits = symbols[at : at + 2] == [left, right]
            joined.append(left + right if fits else symbols[at])
            at += 2 if fits else 1
        symbols = joined
    return merges


def vocabulary(of_characters):
    """Tokens and merges; some tokens are whole stretches of text that no merge makes."""
    source = random.Random(SEED)
    text = "".join(random_text(source) for _ in range(120)).replace(" ", "\u2581" if of_characters else " ")
    symbols = list(text if of_characters else plain_bpe.spelled(text))
    merges = trained(symbols, 400)
    single = sorted(set(symbols)) if of_characters else sorted(plain_bpe.LETTERS.values())
    tokens = single + [left + right for left, right in merges]
    tokens += ["".join(symbols[at : at + source.randrange(2, 8)]) for at in range(0, len(symbols), 7)]
    if of_characters:
        tokens += [f"<0x{byte:02X}>" for byte in range(256)] + ["\n\n", "\n\n\n"]
    return list(dict.fromkeys(tokens)), merges


class PlainBpe(unittest.TestCase):
    def setUp(self):
        self.made = {characters: vocabulary(characters) for characters in (False, True)}

    def check(self, name, texts):
        tokens, merges = self.made[name in plain_bpe.OF_CHARACTERS]
        expected = plain_bpe.PlainBpe(name, tokens, merges)
        source = random.Random(f"{SEED} {name}")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vocabulary.gguf")
            file = Gguf()
            file.string("tokenizer.ggml.model", "gpt2")
            file.string("tokenizer.ggml.pre", name)
            file.strings("tokenizer.ggml.tokens", tokens)
            file.strings("tokenizer.ggml.merges", [" ".join(merge) for merge in merges])
            file.save(path)
            with Tokenizer(path) as tokenizer:
                for _ in range(texts):
                    text = random_text(source)
                    self.assertEqual(tokenizer.encode(text.encode()), expected.encode(text), (name, SEED, text))

    def test_every_list_of_patterns(self):
        for name in plain_bpe.LISTS:
            with self.subTest(name):
                self.check(name, TEXTS)
        print(f"seed {SEED}: {TEXTS} texts of each of {len(plain_bpe.LISTS)} lists of patterns")

    def test_every_name(self):
        names = [name for _, names in plain_bpe.LISTS.values() for name in names.split()]
        self.assertEqual(len(set(names)), 91)
        for name in names:
            with self.subTest(name):
                self.check(name, TEXTS // 30)


if os.environ.get("TROUPE_SANITIZE"):
    print("skipped: Python cannot load a library that is built with a sanitizer")
    sys.exit(77)
if __name__ == "__main__":
    unittest.main()
