"""What scripts rely on of the command `troupe`: flags, outputs, exit codes.

TROUPE_BIN      the command; without it everything is skipped (exit code 77)
TROUPE_MODELS   a folder with SmolLM2-135M-Instruct.Q4_1.gguf; without it only what needs no model is tested
TROUPE_SHARED   a folder with golden/smollm2.tokenize.jsonl; without it that file's lines are not compared
"""

import itertools
import json
import math
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import tomllib
import unittest

BINARY = os.environ.get("TROUPE_BIN", "")
MODELS = os.environ.get("TROUPE_MODELS") or os.path.expanduser("~/.cache/troupe/models")
MODEL = os.path.join(MODELS, "SmolLM2-135M-Instruct.Q4_1.gguf")
GOLDEN = os.path.join(os.environ.get("TROUPE_SHARED", ""), "golden", "smollm2.tokenize.jsonl")

MODEL_VERBS = ("run", "chat", "inspect", "tokenize", "render", "logits", "perplexity", "bench", "graph")
VERBS = (*MODEL_VERBS, "trace")
PATIENCE = 3600  # seconds: a hang, on any machine
FRANCE = "504,3575,282,4649,314"  # "The capital of France is"

needs_binary = unittest.skipUnless(os.access(BINARY, os.X_OK), "TROUPE_BIN names no command")
needs_model = unittest.skipUnless(os.access(BINARY, os.X_OK) and os.path.exists(MODEL), f"no command, or no {MODEL}")


def troupe(*args, stdin=b""):
    return subprocess.run([BINARY, *map(str, args)], input=stdin, capture_output=True, timeout=PATIENCE, check=False)


def on_a_terminal(*args):
    """What the command prints where standard output is a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen([BINARY, *map(str, args)], stdin=subprocess.DEVNULL, stdout=its) as running:
        os.close(its)
        printed = b""
        try:
            while part := os.read(ours, 4096):
                printed += part
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(ours)
        assert running.wait(PATIENCE) == 0, args
    return printed.replace(b"\r\n", b"\n")


class Case(unittest.TestCase):
    def succeed(self, *args, stdin=b""):
        """What the command prints, as bytes."""
        done = troupe(*args, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def fail_with(self, code, *args, stdin=b"", names=""):
        """The command fails with that exit code, prints nothing, and says why in one line."""
        done = troupe(*args, stdin=stdin)
        said = done.stderr.decode()
        self.assertEqual((done.returncode, done.stdout), (code, b""), f"{args}: {said}")
        self.assertRegex(said, r"\Atroupe: [^\n]+\n\Z")
        self.assertIn(names, said)

    def folder(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        return pathlib.Path(made.name)


# Flags of sampling, with a value of each and some that it refuses.
PART, WINDOW, ANY = ("-0.1", "1.1", "nan", ""), ("-2", "2147483648", "x"), ("1e7", "nan", "much")
SAMPLING = (
    ("--min-p", "0.9", PART), ("--typical", "0.1", ("0", *PART)), ("--typical-p", "0.1", ("0", *PART)),
    ("--top-nsigma", "0.5", ("-1.1", *ANY)), ("--top-n-sigma", "0.5", ("-1.1", *ANY)),
    ("--xtc-probability", "1", PART), ("--xtc-threshold", "0.01", PART),
    ("--repeat-last-n", "-1", WINDOW), ("--repeat-penalty", "3", ("0", *ANY)),
    ("--presence-penalty", "9", ANY), ("--frequency-penalty", "9", ANY),
    ("--dry-multiplier", "60", ("-0.1", *ANY)), ("--dry-base", "2", ("0.9", *ANY)),
    ("--dry-allowed-length", "1", ("0", "-1", "x")), ("--dry-penalty-last-n", "-1", WINDOW),
    ("--dry-sequence-breaker", "none", ()), ("--mirostat", "2", ("1", "3", "")),
    ("--mirostat-ent", "0.5", ("-1", "1001")), ("--mirostat-lr", "0.9", PART),
    ("-l", "28+30", ()), ("--logit-bias", "28+30", ()), ("--sampler-seq", "k", ()), ("--sampling-seq", "k", ()))


@needs_binary
class Help(Case):
    def test_fits_a_screen_and_ends_with_an_example(self):
        for verb in VERBS:
            lines = self.succeed(verb, "--help").decode().splitlines()
            self.assertLessEqual(len(lines), 40, verb)
            self.assertLessEqual(max(map(len, lines)), 100, verb)
            self.assertEqual(lines[-2], "Example:")
            self.assertTrue(lines[-1].startswith(f"  troupe {verb} "), lines[-1])

    def test_of_sampling(self):
        lines = self.succeed("run", "--help-sampling").decode().splitlines()
        self.assertLessEqual(len(lines), 30)
        self.assertLessEqual(max(map(len, lines)), 100)
        for flag, _, _ in SAMPLING:
            self.assertEqual(sum(f" {flag}" in f" {line} ".replace(",", " ") for line in lines) > 0, True, flag)

    def test_of_the_command_names_every_verb(self):
        text = self.succeed("--help").decode()
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", text)

    def test_of_run_shows_a_turn(self):
        self.assertIn("--chat -p 'Why is the sky blue?'", self.succeed("run", "--help").decode())

    def test_version(self):
        self.assertRegex(self.succeed("--version").decode(), r"\Atroupe \d+\.\d+\.\d+\n\Z")

    def test_short_and_long_names(self):
        text = self.succeed("run", "--help").decode()
        for names in ("-m, --model", "-p, --prompt", "-f, --file", "-n, --predict", "-c, --ctx-size", "-b, --chunk",
                      "-t, --threads", "-s, --seed", "--temp", "--top-k", "--top-p"):
            self.assertIn(f"  {names} ", text)


@needs_binary
class WrongUse(Case):
    def test_verbs(self):
        self.fail_with(2, names="verb")
        self.fail_with(2, "sing", names="verb")

    def test_a_model_is_required(self):
        for verb in MODEL_VERBS:
            self.fail_with(2, verb, names="--model")

    def test_flags(self):
        prompt = ("run", "-m", "x", "-p", "hi")
        self.fail_with(2, *prompt, "--loud", names="--loud")
        self.fail_with(2, *prompt, "-n", names="--predict")
        self.fail_with(2, *prompt, "-f", "x", names="--file")
        self.fail_with(2, *prompt, "--plan", "tp2", "--graph", "x", names="--graph")
        self.fail_with(2, *prompt, "--isa", "sse2", names="reference")
        self.fail_with(2, *prompt, "--fusion", "", names="on, off, or names of rules")
        self.fail_with(2, *prompt, "--prefix-cache", "maybe", names="on or off")
        for bytes_ in ("0", "-1", "M", "5T", "1.5G", "99999999999999999999", "18446744073709551615K", "", "1m"):
            self.fail_with(2, *prompt, "--kv-memory", bytes_, names="512M")
        for budget in ("", "%", "0%", "-1%", "101%", "40", "nan%", "0x1p5%", "40 %", "1e999%"):
            self.fail_with(2, *prompt, "--weights-budget", budget, names="40%")
            self.fail_with(2, *prompt, "--experts-budget", budget, names="40%")
        self.fail_with(2, *prompt, "--plan", "", names="--plan")
        self.fail_with(2, "run", "-m", "x", names="--prompt")
        self.fail_with(2, "bench", "-m", "x", "-o", "xml", names="json")
        self.fail_with(2, "bench", "-m", "x", "-p", "0", "-n", "0", names="-p and -n")
        self.fail_with(2, "graph", "-m", "x", "-o", "svg", names="toml")
        self.fail_with(2, "tokenize", "-m", "x", "--decode", "1", "text", names="--decode")

    def test_numbers(self):
        for flag in ("-n", "-c", "-b", "-t", "-s", "--top-k"):
            for value in ("-5", "99999999999999999999", "1.5", "many", ""):
                self.fail_with(2, "run", "-m", "x", "-p", "hi", flag, value, names=f"{flag} wants a whole number")
        for value in ("-2", "nan", "inf", "1e50", "warm", ""):
            self.fail_with(2, "run", "-m", "x", "-p", "hi", "--temp", value, names="--temp wants a number")
        for value in ("0", "-0.5", "1.01", "nan"):
            self.fail_with(2, "run", "-m", "x", "-p", "hi", "--top-p", value, names="--top-p wants a number")
        for value in ("-3", "-9223372036854775809"):
            self.fail_with(2, "run", "-m", "x", "-p", "hi", "-n", value, names="-n wants a whole number from -2 to ")
        self.fail_with(2, "run", "-m", "x", "-p", "hi", "-s", "-2", names="-s wants a whole number from -1 to ")
        self.fail_with(2, "logits", "-m", "x", "--ids", "1", "--top", "0", names="--top")
        self.fail_with(2, "bench", "-m", "x", "--parallel", "0", names="--parallel")

    def test_sampling(self):
        prompt = ("run", "-m", "x", "-p", "hi")
        for flag, _, wrong in SAMPLING:
            for value in wrong:
                self.fail_with(2, *prompt, flag, value, names=" wants ")

    def test_ids(self):
        for ids in ("1,x", "-1", "1,4294967296", "1.5", ""):
            self.fail_with(2, "logits", "-m", "x", "--ids", ids, names="id")

    def test_ids_that_are_missing(self):
        """fault 23: --ids 1,,2 is not 1,2: an empty place is refused, with its place"""
        for ids, place in (("1,,2", 2), (",1", 1), ("1,2,", 3), (",", 1), ("1, ,2", 2), ("1 2,,3", 3), ("1,\n", 2)):
            self.fail_with(2, "logits", "-m", "x", "--ids", ids, names=f"id {place} is ''")
            self.fail_with(2, "logits", "-m", "x", "-f", "-", stdin=ids.encode(), names=f"id {place} is ''")

    def test_ranges_are_the_true_ones(self):
        """fault 23: what a flag says that it takes is what the model is loaded with"""
        prompt = ("run", "-m", "x", "-p", "hi")
        for flag, least, most in (("-t", 1, 256), ("-b", 1, 65536)):
            for value in (least - 1, most + 1, 1000000):
                self.fail_with(2, *prompt, flag, value, names=f"{flag} wants a whole number from {least} to {most}, not")
        self.fail_with(2, *prompt, "-c", "many", names="from 0 to the model's own context, not 'many'")
        self.fail_with(2, "bench", "-m", "x", "--parallel", 1025, names="--parallel wants a whole number from 1 to 1024")

    def test_threads_beside_a_graph(self):
        """fault 23: -t beside --graph is refused, as --plan is"""
        self.fail_with(2, "run", "-m", "x", "-p", "hi", "-t", "2", "--graph", "x", names="--threads excludes --graph")

    def test_new_flags(self):
        """fault 12: and 8 and 15: flags that every verb which opens a model takes"""
        for verb in MODEL_VERBS:
            for flags in (("--no-mmap",), ("--ignore-key", "a"), ("--ignore-key", "a", "--no-mmap", "--ignore-key", "++")):
                text = {"run": ("-p", "x"), "tokenize": ("x",), "logits": ("--ids", "1"),
                        "render": ("--messages", "x"), "perplexity": ("-p", "x")}.get(verb, ())
                self.fail_with(1, verb, "-m", "/nowhere/model.gguf", *text, *flags, names="/nowhere/model.gguf")
            self.fail_with(2, verb, "-m", "x", "--ignore-key", names="--ignore-key")
        path = self.folder() / "x.gguf"
        path.write_bytes(b"GGUF")
        for verb in set(MODEL_VERBS) - {"tokenize", "render"}:
            text = {"run": ("-p", "x"), "logits": ("--ids", "1"), "perplexity": ("-p", "x")}.get(verb, ())
            for given, file in (("/no/a", "/no/a"), ("/no/a:0.5", "/no/a"), ("/no/a:b:-1e-3", "/no/a:b"), ("/no/a:b", "/no/a:b")):
                self.fail_with(1, verb, "-m", path, *text, "--lora", given, names=f'"{file}"')
            self.fail_with(2, verb, "-m", "x", "--lora", names="--lora")
        for verb in ("run", "tokenize"):
            self.fail_with(2, verb, "-m", "x", "-p", "x", "--parse-special", "no", names="--parse-special wants on or off")

    def test_lines_cannot_be_forged(self):
        """fault 19: what a file name or a flag holds reaches no terminal as a control, a line end or a turn of direction"""
        for text in ("\x1b[2J", "\x9b31m", "\x85", "\u202e", "\u2066", "\u2028", "\u2029", "\u061c", "\u200f", "\x7f", "\r\n"):
            done = troupe("inspect", f"/nowhere/a{text}b")
            said = done.stderr.decode()
            self.assertEqual(done.returncode, 1)
            self.assertNotIn(text, said)
            self.assertRegex(said, r"\Atroupe: [^\n]*/nowhere/a(\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\n|\[2J|31m)+b[^\n]*\n\Z")
        for stray in (b"\x9b", b"\xc2", b"\xed\xa0\x80", b"\xc0\x9b", b"\xf4\x90\x80\x80", b"\xe2\x80", b"\xff"):
            done = subprocess.run([BINARY, "inspect", b"/nowhere/a" + stray], capture_output=True, check=False)
            escaped = "".join(f"\\x{byte:02x}" for byte in stray)
            self.assertIn("/nowhere/a" + escaped, done.stderr.decode())
        self.assertIn("/nowhere/Zürich…😀", troupe("inspect", "/nowhere/Zürich…😀").stderr.decode())


@needs_binary
class Files(Case):
    def test_that_are_not_there(self):
        self.fail_with(1, "inspect", "/nowhere/model.gguf", names="/nowhere/model.gguf")
        self.fail_with(1, "run", "-m", "x", "-f", "/nowhere/prompt", names="/nowhere/prompt")

    def test_that_are_no_model(self):
        path = self.folder() / "no.gguf"
        for content in (b"", b"GGUF", b"no model at all, but a text"):
            path.write_bytes(content)
            self.fail_with(1, "inspect", path)

    @needs_model
    def test_that_are_cut(self):
        path = self.folder() / "cut.gguf"
        with open(MODEL, "rb") as model:
            path.write_bytes(model.read(1 << 20))
        self.fail_with(1, "run", "-m", path, "-p", "hi")


@needs_model
class Tokenize(Case):
    def ids_of(self, *args, stdin=b""):
        answer = json.loads(self.succeed("tokenize", "-m", MODEL, "--json", *args, stdin=stdin))
        self.assertEqual(list(answer), ["ids"])
        return answer["ids"]

    def test_text(self):
        self.assertEqual(self.ids_of("Hello world"), [19556, 905])
        self.assertEqual(self.ids_of("<|im_start|>"), [1])
        self.assertEqual(self.ids_of("[1, 2, 3]"), [75, 33, 28, 216, 34, 28, 216, 35, 77])
        self.assertEqual(self.ids_of(""), [])
        self.assertEqual(self.succeed("tokenize", "-m", MODEL, "Hello world"), b"19556,905\n")

    def test_text_that_looks_like_something_else(self):
        for text in ("run", "---\n***\n___", "- x", "-5"):
            self.assertEqual(self.ids_of(text), self.ids_of("-", stdin=text.encode()), text)
        self.assertEqual(self.ids_of("--", "--json"), self.ids_of("-", stdin=b"--json"))

    def test_every_text_can_be_given(self):
        """fault 23: no text means anything to the command but "-", and after "--" not even flags do"""
        texts = ("++", "%%", "{}", "[x]", "[]", "[,]", "a=b", "=", "@", "@x", "/x", "/f:x", "!", "#", ";", "%", "\"", "'",
                 "run", "tokenize", "inspect", " ", "\n", "-\n", "--\nx", "a\nb\n", "+", "+++", "---", "- -", "~", "\\", "*")
        for text in texts:
            expected = self.ids_of("-", stdin=text.encode())
            self.assertEqual(self.ids_of(text), expected, text)
            self.assertEqual(self.ids_of("-p", text), expected, text)
            self.assertEqual(self.ids_of(f"--prompt={text}"), expected, text)
        for text in ("--", "--=", "-x", "--json", "-p", "--prompt=", "-h", "--help", "--prompt", "++", "--f=", "-m"):
            expected = self.ids_of("-", stdin=text.encode())
            self.assertEqual(self.ids_of("--", text), expected, text)
            self.assertEqual(self.ids_of("-p", text), expected, text)
        self.assertEqual(self.ids_of("--prompt="), [])
        self.assertEqual(self.ids_of("-p", ""), [])
        self.assertEqual(self.ids_of("x", "--"), self.ids_of("x"))

    def test_special_tokens_as_text(self):
        """fault 12: --parse-special off makes a user's text plain text"""
        self.assertEqual(self.ids_of("--parse-special", "on", "<|im_start|>"), [1])
        plain = self.ids_of("--parse-special", "off", "<|im_start|>")
        self.assertGreater(len(plain), 1)
        self.assertEqual(self.succeed("tokenize", "-m", MODEL, "--decode", ",".join(map(str, plain))), b"<|im_start|>")

    def test_a_terminal_is_not_steered(self):
        """fault 19: a terminal gets a model's text with its controls escaped, a pipe gets every byte"""
        text = "a\x1b]0;title\x07b\x9b31mc\td\ne\u202e"
        ids = ",".join(map(str, self.ids_of("-", stdin=text.encode())))
        self.assertEqual(self.succeed("tokenize", "-m", MODEL, "--decode", ids), text.encode())
        shown = "a\\u001b]0;title\\u0007b\\u009b31mc\td\ne\u202e\n"
        self.assertEqual(on_a_terminal("tokenize", "-m", MODEL, "--decode", ids).decode(), shown)
        for half in self.ids_of("😀"):  # perhaps no whole character
            on_a_terminal("tokenize", "-m", MODEL, "--decode", half).decode("utf-8", "strict")

    def test_input_is_read_byte_for_byte(self):
        path = self.folder() / "text"
        for text in (b"Hello world", b" two\r\n\n", b"zero\0inside", "Zürich…".encode(), b"bad \xff\xfe utf-8"):
            path.write_bytes(text)
            ids = self.ids_of("-", stdin=text)
            self.assertEqual(self.ids_of("-f", path), ids)
            decoded = self.succeed("tokenize", "-m", MODEL, "--decode", "-", stdin=json.dumps(ids)[1:-1].encode())
            if b"\xff" not in text:
                self.assertEqual(decoded, text)

    def test_decode(self):
        self.assertEqual(self.succeed("tokenize", "-m", MODEL, "--decode", "19556, 905"), b"Hello world")
        special = self.succeed("tokenize", "-m", MODEL, "--decode", "1,2,0")
        self.assertEqual(special, b"<|im_start|><|im_end|><|endoftext|>")
        done = troupe("tokenize", "-m", MODEL, "--decode", "2000000000")
        self.assertIn(done.returncode, (1, 2))

    @unittest.skipUnless(os.path.exists(GOLDEN), "TROUPE_SHARED has no golden answers")
    def test_golden(self):
        with open(GOLDEN, encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                self.assertEqual(self.ids_of("-", stdin=line["text"].encode()), line["ids"], line["text"])


@needs_binary
class Render(Case):
    def write(self, **files):
        """Files of these names, and the folder that they are in."""
        folder = self.folder()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    def test_prints_what_a_template_makes_of_a_conversation(self):
        text = "{{ messages[0].content }}|{{ tools[0].x if tools }}|{{ add_generation_prompt }}|{{ strftime_now('%d %b %Y') }}"
        folder = self.write(template=text, messages='[{"role": "user", "content": "Grüße"}]', tools='[{"x": 1}]')
        flags = ("render", "--template", folder / "template", "--date", "2026-01-31")
        given = (*flags, "--messages", folder / "messages")
        self.assertEqual(self.succeed(*given).decode(), "Grüße||True|31 Jan 2026")
        self.assertEqual(self.succeed(*given, "--tools", folder / "tools").decode(), "Grüße|1|True|31 Jan 2026")
        self.assertEqual(self.succeed(*given, "--no-generation-prompt").decode(), "Grüße||False|31 Jan 2026")
        piped = self.succeed(*flags, "--messages", "-", stdin=b'[{"role": "user", "content": "Hi"}]')
        self.assertEqual(piped.decode(), "Hi||True|31 Jan 2026")

    def test_what_is_wrong_is_said(self):
        folder = self.write(template="{{ raise_exception('no\n') }}", broken="\n{% if %}", messages='[{"role": "user"}]')
        given = ("render", "--messages", folder / "messages")
        self.fail_with(2, *given, "--template", folder / "template", names="chat template, line 1, column 19: it says: no")
        self.fail_with(1, *given, "--template", folder / "broken", names="chat template, line 2, column 7")
        self.fail_with(2, *given, names="--template")
        self.fail_with(2, *given, "-m", "x", "--template", "x", names="--template")
        self.fail_with(2, "render", "--template", folder / "template", names="--messages")
        self.fail_with(2, *given, "--template", folder / "template", "--date", "today", names="2026-01-31")
        self.fail_with(1, "render", "--template", "/nowhere/x", "--messages", "x", names="/nowhere/x")

    @needs_model
    def test_of_a_model(self):
        folder = self.write(messages='[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]')
        text = self.succeed("render", "-m", MODEL, "--messages", folder / "messages").decode()
        expected = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        self.assertEqual(text, expected)


@needs_model
class Run(Case):
    def run_model(self, *args, stdin=b""):
        return self.succeed("run", "-m", MODEL, *args, stdin=stdin).decode()

    def test_stops_before_a_stop_string(self):
        prompt = ("-p", "The capital of France is", "-n", 16)
        whole = self.run_model(*prompt)
        stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
        for flags in (("--stop", stop), ("--stop", "never in it", "--stop", stop)):
            self.assertEqual(self.run_model(*prompt, *flags), whole[: whole.index(stop)])
        self.fail_with(2, "run", "-m", MODEL, "-p", "x", "--stop", "", names="stop string")

    def test_prints_only_what_the_model_writes(self):
        text = self.run_model("-p", "The capital of France is", "-n", 8)
        self.assertIn("Paris", text)
        self.assertNotIn("The capital of France is", text)

    def test_prompt_from_a_file_and_from_standard_input(self):
        prompt = b"The capital of France is"
        path = self.folder() / "prompt"
        path.write_bytes(prompt)
        expected = self.run_model("-p", prompt.decode(), "-n", 8)
        self.assertEqual(self.run_model("-f", path, "-n", 8), expected)
        self.assertEqual(self.run_model("-f", "-", "-n", 8, stdin=prompt), expected)
        self.assertEqual(self.run_model("-p", "-", "-n", 8, stdin=prompt), expected)
        self.assertEqual(self.run_model("-p", prompt.decode(), "-n", 8, "--no-mmap", "--ignore-key", "a.b"), expected)

    def test_ends_with_the_turn_and_prints_no_special_token(self):
        text = self.run_model("-p", "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n", "-c", 512)
        self.assertTrue(text)
        for special in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"):
            self.assertNotIn(special, text)

    def test_ends_with_the_context(self):
        self.run_model("-p", "Once upon a time", "-c", 32)
        done = troupe("run", "-m", MODEL, "-p", "word " * 64, "-c", 16)
        self.assertIn(done.returncode, (1, 2))
        self.assertRegex(done.stderr.decode(), r"\Atroupe: [^\n]+\n\Z")

    def test_seed(self):
        sampled = ("-p", "Once upon a time", "-n", 16, "--temp", 1)
        first = troupe("run", "-m", MODEL, *sampled)
        self.assertRegex(first.stderr.decode(), r"\Aseed: \d+\n\Z")
        seed = first.stderr.decode().split()[1]
        again = troupe("run", "-m", MODEL, *sampled, "--seed", seed)
        self.assertEqual((again.stdout, again.stderr), (first.stdout, b""))
        self.assertEqual(troupe("run", "-m", MODEL, "-p", "Once upon a time", "-n", 4).stderr, b"")
        untempered = troupe("run", "-m", MODEL, "-p", "Once upon a time", "-n", 4, "--sampler-seq", "kp", "--top-k", 40)
        self.assertRegex(untempered.stderr.decode(), r"\Aseed: \d+\n\Z")

    def test_numbers_of_tokens(self):
        """fault 23: -n -1 and -2 mean to the end of the text or context, -n 0 nothing, as llama.cpp's users know them"""
        prompt = ("-p", "The capital of France is", "-c", 24)
        expected = self.run_model(*prompt)
        self.assertTrue(expected)
        for value in (-1, -2, 4294967295):
            self.assertEqual(self.run_model(*prompt, "-n", value), expected)
        self.assertEqual(self.run_model(*prompt, "-n", 0), "")
        self.fail_with(2, "run", "-m", MODEL, "-p", "word " * 64, "-c", 16, "-n", 0, names="context holds 16")

    def test_a_drawn_seed(self):
        """fault 23: -s -1 draws a seed"""
        done = troupe("run", "-m", MODEL, "-p", "Once", "-n", 1, "--temp", 1, "-s", -1)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), r"\Aseed: \d+\n\Z")
        most = troupe("run", "-m", MODEL, "-p", "Once", "-n", 1, "--temp", 1, "-s", 2**64 - 1)
        self.assertEqual((most.returncode, most.stderr), (0, b""))

    def test_samplers(self):
        """Each flag is used: it changes what is written, and what it takes is taken"""
        random = ("-p", "one two three one two three one two", "-n", 24, "--temp", 1.5, "-s", 3)
        plain = self.run_model(*random)
        beside = {
            "--dry": {"--dry-multiplier": 50, "--dry-allowed-length": 1},
            "--mirostat": {"--mirostat": 2, "--mirostat-ent": 1},
            "--xtc": {"--xtc-probability": 1, "--xtc-threshold": 0.01},
            "--repeat-last-n": {"--frequency-penalty": 9},
        }
        for flag, value, _ in SAMPLING:
            given = {}
            for name, flags in beside.items():
                if flag.startswith(name):
                    given |= flags
            given[flag] = value
            self.assertNotEqual(self.run_model(*random, *itertools.chain(*given.items())), plain, flag)
        greedy = ("-p", "Once upon a time", "-n", 24)
        self.assertEqual(self.run_model(*greedy, "--temp", -1), self.run_model(*greedy))

    def test_wrong_samplers(self):
        prompt = ("run", "-m", MODEL, "-p", "hi", "-n", 4)
        for value in ("", "5", "+1", "5+", "5+x", "x+1", "5+nan", "5+1-1", "99999999999+1", "49152+1", "5+1e7"):
            self.fail_with(2, *prompt, "-l", value, names="bias")
        self.fail_with(2, *prompt, "-l", "5+1", "-l", "5+2", names="token 5 is there twice")
        self.fail_with(2, *prompt, "--temp", 1, "--temp", 2, names="--temp wants one value, not '1' and '2'")
        self.fail_with(2, *prompt, "--sampler-seq", "kk", names="edskypmxt")
        self.fail_with(2, *prompt, "--dry-sequence-breaker", "", names="dry_breakers has 0 bytes")
        self.fail_with(2, *prompt, "--min-tokens", 5, names="min_tokens is 5")

    def test_texts(self):
        random = ("-p", "Once upon a time", "-n", 8, "--temp", 1, "-s", 3)
        texts = self.run_model(*random, "--texts", 3).split("\n---\n")
        self.assertEqual(len(set(texts)), 3)
        self.assertEqual(texts[0], self.run_model(*random))

    def test_a_text_does_not_end_too_soon(self):
        done = ("-p", "<|im_start|>user\nSay yes<|im_end|>\n<|im_start|>assistant\n", "-n", 64)
        self.assertLess(len(self.run_model(*done)), len(self.run_model(*done, "--min-tokens", 64)))

    def test_invalid_utf8_is_no_crash(self):
        done = troupe("run", "-m", MODEL, "-n", 4, "-f", "-", stdin=b"\xff\xfe\xc3( \x80")
        self.assertIn(done.returncode, (0, 1, 2))

    def test_a_reader_that_leaves(self):
        command = [BINARY, "run", "-m", MODEL, "-p", "Once upon a time", "-n", "200"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            self.assertTrue(running.stdout.read(1))
            running.stdout.close()
            self.assertEqual(running.stderr.read(), b"")
            self.assertEqual(running.wait(PATIENCE), 0)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            command = [BINARY, "tokenize", "-m", MODEL, "hi"]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), r"\Atroupe: [^\n]+\n\Z")

    def test_plans_and_graphs_write_the_same(self):
        prompt = ("-p", "The capital of France is", "-n", 8)
        expected = self.run_model(*prompt)
        path = self.folder() / "graph.toml"
        path.write_bytes(self.succeed("graph", "-m", MODEL, "--plan", "pp2.tp2", "-o", "toml"))
        self.assertEqual(self.run_model(*prompt, "--plan", "pp2"), expected)
        self.assertEqual(self.run_model(*prompt, "--graph", path), expected)

    def test_plans_that_cannot_be(self):
        limits = {"tp9": "8", "dp200": "256", "pp31": "", "tp0": "", "tp2:0": "", "xp2": "", "tp2.tp2": "", "dp2:1": "",
                  "tp": "", "2": "", "tp2.": "", "tp99999999999999999999": ""}
        for plan, limit in limits.items():
            self.fail_with(2, "run", "-m", MODEL, "-p", "hi", "--plan", plan, names=limit)

    def test_graphs_that_cannot_be(self):
        path = self.folder() / "graph.toml"
        for content in (b"", b"nodes = [", b"\xff\0"):
            path.write_bytes(content)
            done = troupe("run", "-m", MODEL, "-p", "hi", "--graph", path)
            self.assertIn(done.returncode, (1, 2))
            self.assertRegex(done.stderr.decode(), r"\Atroupe: [^\n]+\n\Z")


@needs_model
class Logits(Case):
    def logits(self, *args, stdin=b""):
        return json.loads(self.succeed("logits", "-m", MODEL, *args, stdin=stdin))

    def test_shape(self):
        answer = self.logits("--ids", FRANCE, "--top", 5)
        self.assertEqual(list(answer), ["ids", "logprob", "argmax", "hash"])
        self.assertEqual((len(answer["ids"]), len(answer["logprob"]), len(answer["argmax"])), (5, 5, 5))
        self.assertEqual(answer["argmax"][-1], answer["ids"][0])
        self.assertEqual(answer["logprob"], sorted(answer["logprob"], reverse=True))
        self.assertRegex(answer["hash"], r"\A[0-9a-f]{16}\Z")
        self.assertEqual(len(self.logits("--ids", FRANCE)["ids"]), 64)

    def test_raw_says_the_same(self):
        path = self.folder() / "raw"
        answer = self.logits("--ids", FRANCE, "--top", 8, "--raw", path)
        raw = path.read_bytes()
        vocabulary = len(raw) // 4 // 5
        self.assertEqual(vocabulary, 49152)
        rows = list(struct.iter_unpack(f"<{vocabulary}f", raw))
        self.assertEqual([row.index(max(row)) for row in rows], answer["argmax"])
        last = rows[-1]
        best = sorted(range(vocabulary), key=lambda i: (-last[i], i))[:8]
        most = max(last)
        norm = most + math.log(math.fsum(math.exp(x - most) for x in last))
        self.assertEqual(best, answer["ids"])
        for i, logprob in zip(best, answer["logprob"]):
            self.assertAlmostEqual(last[i] - norm, logprob, places=10)

    def test_ids_from_a_file_and_from_standard_input(self):
        path = self.folder() / "ids"
        ids = b"504 3575\n282,\t4649,314\n"
        path.write_bytes(ids)
        expected = self.logits("--ids", FRANCE)
        self.assertEqual(self.logits("-f", path), expected)
        self.assertEqual(self.logits("--ids", "-", stdin=ids), expected)

    def test_all_hashes_every_position(self):
        one, two, both = (self.logits("--ids", ids, *more)["hash"]
                          for ids, more in (("504", ()), ("504,3575", ()), ("504,3575", ("--all",))))
        self.assertEqual(self.logits("--ids", "504", "--all")["hash"], one)
        self.assertEqual(len({one, two, both}), 3)

    def test_nothing_changes_the_answer(self):
        ids = ",".join(str(100 + 37 * i % 1000) for i in range(100))
        expected = self.logits("--ids", ids, "--all")
        variations = [("-b", 1), ("-b", 7), ("-t", 1), ("-t", 2), ("--fusion", "off"),
                      ("--parallel", 4), ("-c", 128), ("--weights-budget", "50%"), ("--plan", "pp2"), ("--plan", "tp3"), ("--plan", "tp2:1"),
                      ("--plan", "pp20:10"), ("--plan", "dp2.pp2.tp2", "-t", 1, "--parallel", 3, "-b", 16)]
        with open("/proc/cpuinfo", encoding="utf-8") as processor:
            features = processor.read()
        isas = {"avx2": "avx2", "avx512": "avx512_vnni", "neon": "asimd", "dotprod": "asimddp", "i8mm": "i8mm"}
        here = [("--isa", isa) for isa, feature in isas.items() if re.search(rf"\b{feature}\b", features)]
        self.assertNotEqual(here, [])
        variations += here
        for variation in variations:
            self.assertEqual(self.logits("--ids", ids, "--all", *variation), expected, variation)

    def test_fusion_rules(self):
        ids = ("--ids", "504,3575")
        self.assertEqual(self.logits(*ids, "--fusion", "gate,residual"), self.logits(*ids))
        self.fail_with(2, "logits", "-m", MODEL, *ids, "--fusion", "gate,glue", names='"glue"')

    def test_experts_that_nobody_shares_out(self):
        self.fail_with(2, "bench", "-m", MODEL, "--balance-experts", "1", names="--plan ep2")

    def test_a_weights_budget_too_small(self):
        self.fail_with(2, "logits", "-m", MODEL, "--ids", "504", "--weights-budget", "1%", names="at least 38.2%")
        self.fail_with(2, "inspect", MODEL, "--weights-budget", "90%", "--plan", "pp30", names="a plan of fewer ranks")

    def test_unknown_ids(self):
        self.fail_with(2, "logits", "-m", MODEL, "--ids", "1,49152", names="49152")

    def test_raw_that_cannot_be_written(self):
        self.fail_with(1, "logits", "-m", MODEL, "--ids", "1", "--raw", "/nowhere/raw", names="/nowhere/raw")


@needs_model
class Bench(Case):
    SHORT = ("-p", 16, "-n", 4, "-r", 2, "-t", 1)

    def test_json(self):
        rows = json.loads(self.succeed("bench", "-m", MODEL, *self.SHORT, "--parallel", 2, "-o", "json"))
        self.assertEqual([(row["n_prompt"], row["n_gen"]) for row in rows], [(16, 0), (0, 4)])
        for row in rows:
            self.assertEqual((row["n_threads"], row["n_parallel"], len(row["samples_ts"])), (1, 2, 2))
            self.assertAlmostEqual(row["avg_ts"], sum(row["samples_ts"]) / 2, places=3)
            tokens = 2 * (row["n_prompt"] + row["n_gen"])
            for speed, taken in zip(row["samples_ts"], row["samples_ns"]):
                self.assertAlmostEqual(speed, tokens * 1e9 / taken, places=3)

    def test_other_forms(self):
        table = self.succeed("bench", "-m", MODEL, *self.SHORT).decode().splitlines()
        self.assertEqual(len(table), 3)
        self.assertIn(" pp16 ", table[1])
        csv = self.succeed("bench", "-m", MODEL, *self.SHORT, "-o", "csv").decode().splitlines()
        self.assertEqual(len(csv), 3)
        self.assertIn("n_prompt,n_gen", csv[0])
        markdown = self.succeed("bench", "-m", MODEL, *self.SHORT, "-o", "md").decode().splitlines()
        self.assertEqual(len(markdown), 4)
        self.assertTrue(all(line.startswith("| ") and line.endswith(" |") for line in markdown))

    def test_lengths_past_the_context(self):
        self.fail_with(2, "bench", "-m", MODEL, "-p", 4000000000, "--parallel", 1000, names="context")
        self.fail_with(2, "bench", "-m", MODEL, "-c", 64, "-p", 0, "-n", 65, names="context of 64")

    def test_one_row(self):
        rows = json.loads(self.succeed("bench", "-m", MODEL, "-p", 0, "-n", 2, "-r", 1, "-o", "json"))
        self.assertEqual([row["n_gen"] for row in rows], [2])


@needs_model
class Inspect(Case):
    def memory(self, *args):
        """The rows of the memory table by actor."""
        text = self.succeed("inspect", MODEL, *args).decode()
        lines = text.split("\nmemory in bytes", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
        names = [name.strip() for name in lines[0].replace("KV ", "KV_").split()]
        rows = [line.split() for line in lines[1:]]
        return {row[0]: dict(zip(names[1:], map(int, row[1:]))) for row in rows}

    def test_metadata_and_tensors(self):
        text = self.succeed("inspect", MODEL).decode()
        self.assertIn("general.architecture = llama\n", text)
        self.assertIn("token_embd.weight", text)
        self.assertNotIn("\x1b", text)
        for line in text.split("\n\n")[0].splitlines()[1:]:
            self.assertLessEqual(len(line.split(" = ", 1)[1]), 200, line)
        self.assertEqual(self.succeed("inspect", "-m", MODEL).decode(), text)

    def test_long_values_are_cut(self):
        """fault 19: a value is cut for people, after 60 characters and never inside one"""
        path = self.folder() / "model.gguf"
        whole = pathlib.Path(MODEL).read_bytes()
        template = whole.index(b"{% for message")
        value = ("a" + 59 * "é" + "…b").encode()
        path.write_bytes(whole[:template] + value + whole[template + len(value):])
        said = self.succeed("inspect", path).decode()
        self.assertRegex(said, rf"\ntokenizer\.chat_template = a{59 * 'é'}… \([0-9]+ bytes\)\n")

    def test_memory_adds_up(self):
        for plan in ((), ("--plan", "tp2"), ("--plan", "pp2"), ("--plan", "dp2")):
            rows = self.memory("-c", 512, *plan)
            total = rows.pop("sum")
            for name in ("weights", "activations", "other", "KV_full", "total"):
                self.assertEqual(sum(row[name] for row in rows.values()), total[name])
            for row in (*rows.values(), total):
                self.assertEqual(row["weights"] + row["activations"] + row["other"] + row["KV_full"], row["total"])

    def test_memory_follows_the_flags(self):
        small, large = self.memory("-c", 512)["sum"], self.memory("-c", 1024)["sum"]
        self.assertEqual(large["KV_full"], 2 * small["KV_full"])
        self.assertEqual(self.memory("-c", 512, "--parallel", 3)["sum"]["KV_full"], 3 * small["KV_full"])
        self.assertGreater(small["activations"], self.memory("-c", 512, "-b", 32)["sum"]["activations"])

    def test_memory_keeps_to_a_bound(self):
        whole = self.memory("-c", 512, "--parallel", 8)["sum"]["KV_full"]
        for bound, flag in ((whole // 4, str(whole // 4)), (20 << 20, "20M"), (20 << 20, "20480K")):
            for plan in ((), ("--plan", "tp2"), ("--plan", "pp2")):
                held = self.memory("-c", 512, "--parallel", 8, "--kv-memory", flag, *plan)["sum"]["KV_full"]
                self.assertLessEqual(held, bound)
                self.assertGreater(held, 0.9 * bound)
        self.fail_with(2, "inspect", MODEL, "--kv-memory", "8M", names="a context of")

    def test_program(self):
        text = self.succeed("inspect", MODEL, "--plan", "pp2", "--program").decode()
        self.assertEqual(text.count(", before fusion\n"), 2)
        self.assertEqual(text.count(", after fusion\n"), 2)
        before, after = (text.split(f", {when} fusion\n")[1].split("\nprogram of ")[0] for when in ("before", "after"))
        self.assertGreater(before.count("\n"), after.count("\n"))


@needs_model
class Graph(Case):
    def test_dot(self):
        text = self.succeed("graph", "-m", MODEL, "--plan", "pp2.tp2").decode()
        self.assertTrue(text.startswith("digraph"))
        self.assertTrue(text.endswith("}\n"))

    def test_toml(self):
        text = self.succeed("graph", "-m", MODEL, "--plan", "pp2.tp2", "-o", "toml").decode()
        self.assertEqual(tomllib.loads(text)["version"], 1)


def ended_with(result):
    """Ends the program with what came of its tests."""
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    if result.wasSuccessful() and len(result.skipped) == result.testsRun:
        sys.exit(77)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    ended_with(unittest.main(exit=False).result)
