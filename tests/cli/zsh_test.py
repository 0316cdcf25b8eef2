"""What zsh offers by the script of `troupe completion zsh`: in a shell at a terminal, once for each line that is asked about.

TROUPE_BIN as in cli_test.py; where there is no zsh (Debian: zsh) everything is skipped (exit code 77).
"""

import os
import pty
import select
import shutil
import subprocess
import sys
import unittest

import manual_test
from cli_test import PATIENCE, VERBS, Case, ended_with, needs_binary

# Completes $LINE as soon as zsh would read one, and leaves in $TOLD every match, and then the line.
SESSION = r"""
autoload -Uz compinit
compinit -u -D
unsetopt autolist  # a long list would ask whether it is wanted
compadd() {
  # Where matches are but put into an array of the caller's, nothing is offered.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  local -a offered
  builtin compadd -A offered "$@"
  print -rl -- $offered >>$TOLD
  builtin compadd "$@"
}
zle-line-init() {
  BUFFER=$LINE
  CURSOR=$#BUFFER
  zle complete-word
  print -r -- "line: $BUFFER" >>$TOLD
  exit
}
zle -N zle-line-init
"""


@needs_binary
class Zsh(Case):
    text, flags = manual_test.Manual.text, manual_test.Manual.flags

    def setUp(self):
        self.home = self.folder()
        (self.home / "functions").mkdir()
        (self.home / "model.gguf").touch()
        self.as_function()

    def as_function(self):
        """The script as a file of fpath, which compinit finds by its first line."""
        (self.home / "functions" / "_troupe").write_bytes(self.succeed("completion", "zsh"))
        (self.home / ".zshrc").write_text(f"fpath=({self.home}/functions $fpath)\n{SESSION}")

    def as_source(self):
        script = self.home / "troupe.zsh"
        script.write_bytes(self.succeed("completion", "zsh"))
        (self.home / "functions" / "_troupe").unlink()
        (self.home / ".zshrc").write_text(f"{SESSION}\nsource {script}\n")

    def asked(self, line):
        """What is offered for a line, and what it becomes."""
        told = self.home / "told"
        told.write_bytes(b"")
        names = {"ZDOTDIR": self.home, "HOME": self.home, "TOLD": told, "LINE": line, "TERM": "dumb"}
        ours, its = pty.openpty()
        zsh = ["zsh", "-d", "-i"]
        with subprocess.Popen(
            zsh, cwd=self.home, env={**os.environ, **names}, stdin=its, stdout=its, stderr=its, start_new_session=True
        ) as running:
            os.close(its)
            printed = b""
            try:
                while select.select([ours], [], [], PATIENCE)[0] and (part := os.read(ours, 4096)):
                    printed += part
            except OSError:  # how Linux says that the other end is closed
                pass
            os.close(ours)
            running.wait(PATIENCE)
        *offered, became = told.read_text().splitlines() or [f"nothing was completed: {printed!r}"]
        return [match for match in offered if match], became.removeprefix("line: ")

    def test_verbs(self):
        for as_written in (self.as_function, self.as_source):
            as_written()
            self.assertLessEqual(set(VERBS), set(self.asked("troupe ")[0]))
            self.assertEqual(self.asked("troupe ren"), (["render"], "troupe render "))
        self.assertEqual(set(self.asked("troupe --")[0]), {"--help", "--version"})
        self.assertEqual(set(self.asked("troupe completion ")[0]), {"bash", "zsh"})

    def test_flags_of_every_verb(self):
        for verb in VERBS:
            self.assertEqual(set(self.asked(f"troupe {verb} -")[0]), set(self.flags(verb)), verb)

    def test_a_flag_is_offered_once_unless_it_repeats(self):
        offered, _ = self.asked("troupe run -n 3 --stop x -")
        self.assertNotIn("--predict", offered)
        self.assertNotIn("-n", offered)
        self.assertIn("--stop", offered)

    def test_what_flags_take(self):
        self.assertIn("reference", self.asked("troupe run --isa ")[0])
        self.assertEqual(self.asked("troupe run --fusion of"), (["off"], "troupe run --fusion off "))
        self.assertEqual(self.asked("troupe run -n "), ([], "troupe run -n "))

    def test_files(self):
        for flag in ("-m", "--model", "--lora", "--graph"):
            self.assertEqual(self.asked(f"troupe run {flag} mo"), (["model.gguf"], f"troupe run {flag} model.gguf "))
        self.assertEqual(self.asked("troupe inspect mo"), (["model.gguf"], "troupe inspect model.gguf "))


if __name__ == "__main__":
    if shutil.which("zsh") is None:
        print("skipped: zsh is not here (Debian: zsh)")
        sys.exit(77)
    ended_with(unittest.main(exit=False).result)
