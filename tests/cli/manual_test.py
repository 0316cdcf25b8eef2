"""Help in groups, completion and the man page, which are made from the same.

TROUPE_BIN as in cli_test.py; zsh and man are asked where they are installed.
"""

import re
import shutil
import subprocess
import unittest

from cli_test import PATIENCE, VERBS, Case, ended_with, needs_binary


def run(*command, text=""):
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)


@needs_binary
class Manual(Case):
    def text(self, *args):
        return self.succeed(*args).decode()

    def flags(self, verb):
        text = self.text(verb, "--help")
        if "--help-sampling" in text:
            text += self.text(verb, "--help-sampling")
        return ["-h", "--help", *re.findall(r"(?<=[ ,])--?[a-z][a-z-]*", re.sub(r"(?m)^(  \S.{22,}?)  .*$", r"\1", text))]  # which help does not name itself

    def test_flags_of_one_kind_are_together(self):
        lines = self.text("run", "--help").splitlines()
        groups = [line for line in lines if line in ("Model:", "Sampling:", "Plan, steps and memory:")]
        self.assertEqual(groups, ["Model:", "Sampling:", "Plan, steps and memory:"])
        for flag, group in (("--ignore-key", "Model:"), ("--temp", "Sampling:"), ("--graph", "Plan, steps and memory:")):
            place = next(i for i, line in enumerate(lines) if flag in line)
            self.assertEqual(next(line for line in reversed(lines[:place]) if not line.startswith(" ")), group)

    def completed(self, *words):
        """What bash offers for the last of these words."""
        script = self.text("completion", "bash") + 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _troupe; echo "${COMPREPLY[*]}"'
        done = run("bash", "-c", script, "bash", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.completed("troupe", "ren"), ["render"])
        self.assertLessEqual(set(VERBS) | {"--help"}, set(self.completed("troupe", "")))
        self.assertEqual(self.completed("troupe", "run", "--temp"), ["--temp"])
        for verb in VERBS:
            offered = self.completed("troupe", verb, "-")
            self.assertEqual(sorted(offered), sorted(set(offered)))
            self.assertEqual(set(offered), set(self.flags(verb)), verb)
        file = self.folder() / "model.gguf"
        file.touch()
        self.assertEqual(self.completed("troupe", "run", "-m", str(file)[:-3]), [str(file)])

    def test_bash_offers_what_a_flag_takes(self):
        folder = self.folder()
        (folder / "1").touch()
        self.assertEqual(self.completed("troupe", "run", "--isa", ""), ["avx2", "avx512", "reference"])
        self.assertEqual(self.completed("troupe", "run", "--fusion", "of"), ["off"])
        self.assertEqual(self.completed("troupe", "completion", ""), ["bash", "zsh", "-h", "--help"])
        self.assertEqual(self.completed("troupe", "completion", "z"), ["zsh"])
        self.assertEqual(self.completed("troupe", "run", "-n", f"{folder}/"), [])
        self.assertEqual(self.completed("troupe", "run", "--graph", f"{folder}/"), [f"{folder}/1"])

    def test_zsh_is_told_what_repeats_and_what_flags_take(self):
        script = self.text("completion", "zsh")
        for repeats in ("'*'--stop'[", "'*'{-l,--logit-bias}'[", "'*'--ignore-key'[", "'*'--lora'["):
            self.assertIn(repeats, script)
        self.assertIn(":on|off:(on off)'", script)
        self.assertIn(":FILE[\\:SCALE]:_files'", script)
        self.assertRegex(script, r"'\(-n --predict\)'\{-n,--predict\}'\[.*:N: '")

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_reads_its_script(self):
        done = run("zsh", "-n", text=self.text("completion", "zsh"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_zsh_knows_every_flag(self):
        script = self.text("completion", "zsh")
        self.assertTrue(script.startswith("#compdef troupe\n"))
        for verb in VERBS:
            part = script[script.index(f"\n    {verb})\n") :].split(";;")[0]
            for flag in self.flags(verb):
                self.assertIn(flag, part)

    def test_shells_that_are_none(self):
        self.fail_with(2, "completion", names="SHELL")
        self.fail_with(2, "completion", "fish", names="bash or zsh")

    def test_the_page_has_all(self):
        page = self.text("man")
        self.assertTrue(page.startswith('.TH TROUPE 1 "" "troupe '))
        for verb in VERBS:
            part = page[page.index(f".SS troupe {verb}\n") :]
            for flag in self.flags(verb):
                self.assertIn(flag.replace("-", r"\-"), part)

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_man_reads_its_page(self):
        done = run("man", "--warnings=w", "-l", "-", text=self.text("man"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--prefix-cache", re.sub(".\b", "", done.stdout))


if __name__ == "__main__":
    ended_with(unittest.main(exit=False).result)
