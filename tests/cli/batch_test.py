"""`troupe run` with a file of prompts, --timings, and the names of models that stand for files.

TROUPE_BIN and TROUPE_MODELS as in cli_test.py; TROUPE_SOURCE, the repository.
"""

import json
import os
import pathlib
import re
import subprocess
import unittest

from cli_test import BINARY, MODEL, PATIENCE, Case, ended_with, needs_binary, needs_model, troupe

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@needs_model
class Batch(Case):
    def write(self, *lines):
        path = self.folder() / "prompts.jsonl"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    def run_lines(self, *lines, flags=()):
        done = troupe("run", "-m", MODEL, "-f", self.write(*map(json.dumps, lines)), *(flags if "-n" in flags else ("-n", 8, *flags)))
        return done, [json.loads(line) for line in done.stdout.decode().splitlines()]

    def test_a_line_each_in_order(self):
        texts = ["The capital of France is", "Once upon a time", "2 + 2 =", "The largest planet is", "Grüße"]
        lines = [{"prompt": text} for text in texts] + [{"messages": FRANCE}]
        done, answers = self.run_lines(*lines)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        alone = [self.succeed("run", "-m", MODEL, "-n", 8, "-p", text).decode() for text in texts[:2]]
        alone.append(self.succeed("run", "-m", MODEL, "-n", 8, "--chat", "-p", FRANCE[0]["content"]).decode())
        self.assertEqual([answers[i]["text"] for i in (0, 1, -1)], alone)
        self.assertEqual(answers[0]["finish"], "length")
        self.assertEqual(answers[0]["usage"], {"prompt_tokens": 5, "cached_tokens": 0, "generated_tokens": 8})
        for parallel in (3, 100):
            done, again = self.run_lines(*lines, flags=("--parallel", parallel))
            self.assertEqual([answer["text"] for answer in again], [answer["text"] for answer in answers])

    def test_with_chat_prompts_are_messages(self):
        _, answers = self.run_lines({"prompt": FRANCE[0]["content"]}, {"messages": FRANCE}, flags=("--chat",))
        self.assertEqual(answers[0]["text"], answers[1]["text"])

    def test_flags_that_a_batch_would_not_obey_are_refused(self):
        path = self.write(json.dumps({"prompt": "Hi"}), json.dumps({"messages": FRANCE}))
        self.fail_with(2, "run", "-m", MODEL, "-f", path, "--texts", 2, names="--texts")
        self.fail_with(2, "run", "-m", MODEL, "-f", path, "--chat", "--system", "Be kind.", names="--system")

    def test_with_n_0_nothing_is_written(self):
        done, answers = self.run_lines({"prompt": "The capital of France is"}, flags=("-n", 0))
        self.assertEqual(done.returncode, 0)
        usage = {"prompt_tokens": 5, "cached_tokens": 0, "generated_tokens": 0}
        self.assertEqual(answers, [{"text": "", "finish": "length", "usage": usage}])

    def test_what_fails_leaves_the_others(self):
        done, answers = self.run_lines({"prompt": "Hi"}, {"prompt": "word " * 40}, {"messages": [{}]}, {"prompt": ""},
                                       {"prompt": "Hi"}, flags=("-c", 32))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), r"\Atroupe: 3 of 5 failed\n\Z")
        self.assertEqual([answer["finish"] for answer in answers], ["length", "error", "error", "error", "length"])
        self.assertIn("context", answers[1]["error"])
        self.assertEqual(answers[0]["text"], answers[4]["text"])

    def test_lines_that_are_none(self):
        for line in ("{", "[]", '{"prompt": 1}', "{}", '{"prompt": "a", "messages": []}', '"text"', '{"messages": "a"}'):
            path = self.write('{"prompt": "Hi"}', "", line)
            self.fail_with(1, "run", "-m", MODEL, "-f", path, names="line 3 of the batch")
        self.assertEqual(self.succeed("run", "-m", MODEL, "-f", self.write()), b"")


@needs_model
class Timings(Case):
    def test_are_printed_where_they_are_wanted(self):
        wanted = (r"\Aprefill 5 of 5 tokens, [\d.]+ tokens/s; decode 7 tokens, [\d.]+ tokens/s; "
                  r"first token after [\d.]+ s; KV of 13 of 8192 positions\n\Z")
        done = troupe("run", "-m", MODEL, "-p", "The capital of France is", "-n", 8, "--timings")
        self.assertRegex(done.stderr.decode(), wanted)
        path = self.folder() / "prompts.jsonl"
        path.write_text('{"prompt": "Once upon a time"}\n' * 2)
        done = troupe("run", "-m", MODEL, "-f", path, "-n", 4, "--timings")
        self.assertRegex(done.stderr.decode(), r"\A2 prompts of 8 tokens[^\n]* 8 tokens written, [\d.]+ tokens/s\n\Z")


@needs_binary
class Names(Case):
    def files(self):
        """What samples/get_model.sh calls its files."""
        script = pathlib.Path(os.environ["TROUPE_SOURCE"], "samples/get_model.sh").read_text(encoding="utf-8")
        return re.findall(r"^  (\w+)\).*\n    file=(\S+)", script, re.MULTILINE)

    def test_stand_for_files(self):
        home = self.folder()
        models = home / ".cache/troupe/models"
        models.mkdir(parents=True)
        self.assertEqual(len(self.files()), 2)
        for name, file in self.files():
            said = self.inspect(name, home)
            self.assertIn(f"{models / file} is not there yet; samples/get_model.sh {name} gets it", said)
            (models / file).write_bytes(b"no model")
            self.assertIn(f'{models / file}": is no model', self.inspect(name, home))

    def inspect(self, name, home):
        command = [BINARY, "inspect", "-m", name]
        done = subprocess.run(command, env={"HOME": str(home)}, cwd=home, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        return done.stderr.decode()


if __name__ == "__main__":
    ended_with(unittest.main(exit=False).result)
