"""What the command makes of vocabularies without a model: text to ids and back, byte for byte, and what it warns of.

TROUPE_BIN   the command; without it everything is skipped (exit code 77)
"""

import os
import subprocess
import sys
import tempfile
import unittest

from gguf import Gguf

BINARY = os.environ.get("TROUPE_BIN", "")
NORMAL, CONTROL, BYTE = 1, 3, 6
PATIENCE = 3600  # seconds: a hang, on any machine


def troupe(*args, stdin=b""):
    return subprocess.run([BINARY, *args], input=stdin, capture_output=True, timeout=PATIENCE, check=True)


class Command(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "vocabulary.gguf")

    def sentence_piece(self):
        file = Gguf()
        tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581", "\u2581a", "a"]
        file.string("tokenizer.ggml.model", "llama")
        file.strings("tokenizer.ggml.tokens", tokens)
        file.integers("tokenizer.ggml.token_type", [2, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * 3)
        file.integers("tokenizer.ggml.scores", list(range(0, -len(tokens), -1)))
        file.save(self.path)

    def test_decode_gives_the_text_back_byte_for_byte(self):
        self.sentence_piece()
        for text in (b"a", b" a", b"a a<s>a</s>", b"<s>  a\n", b"\xff\x00a\xe2", b"\n"):
            ids = troupe("tokenize", "-m", self.path, "-p", "-", stdin=text)
            self.assertEqual(ids.stderr, b"")
            back = troupe("tokenize", "-m", self.path, "--decode", "-", stdin=ids.stdout)
            self.assertEqual(back.stdout, text)

    def test_what_is_put_up_with_is_told_on_standard_error(self):
        file = Gguf()
        file.string("tokenizer.ggml.model", "gpt2")
        file.strings("tokenizer.ggml.tokens", ["a", "b"])
        file.strings("tokenizer.ggml.merges", [])
        file.save(self.path)
        done = troupe("tokenize", "-m", self.path, "-p", "ab")
        self.assertEqual(done.stdout, b"0,1\n")
        self.assertRegex(done.stderr.decode(), r'\Atroupe: [^\n]+"tokenizer.ggml.pre" is missing[^\n]+\n\Z')


if not os.access(BINARY, os.X_OK):
    print("skipped: TROUPE_BIN names no command")
    sys.exit(77)
if __name__ == "__main__":
    unittest.main()
