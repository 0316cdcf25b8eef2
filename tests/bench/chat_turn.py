"""How soon an answer starts in a conversation of 2000 tokens, against one whose history is computed anew.

usage: chat_turn.py TROUPE MODEL.gguf [THREADS]

Both talk with `troupe chat` by pipes; what is measured is from the question's line to the first byte of its answer.
"""

import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = "the old house near a river had seven rooms and one of them was always dark when rain came from the hills".split()
ROUNDS, TURNS, WORDS_A_TURN = 7, 4, 500


class Chat:
    def __init__(self, troupe, model, threads):
        command = [troupe, "chat", "-m", model, "-t", threads, "-n", "8", "--stop", "\n"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        self.stats()  # the model is loaded

    def do(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def stats(self):
        """What /stats says, once all before it is done."""
        self.do("/stats")
        said = b""
        while b"computed already" not in said:
            said += os.read(self.process.stderr.fileno(), 4096)
        return said.decode()

    def ask(self, question):
        """Seconds to the first byte of the answer, and what /stats says after the last."""
        start = time.perf_counter()
        self.do(question)
        self.process.stdout.read(1)
        taken = time.perf_counter() - start
        said = self.stats()
        while select.select([self.process.stdout], [], [], 0)[0]:  # the rest of the answer, which has ended
            os.read(self.process.stdout.fileno(), 4096)
        return taken, said

    def end(self):
        self.process.communicate()


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    troupe, model, threads = (*sys.argv[1:], "2")[:3]
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        saved = os.path.join(folder, "history.json")
        going_on, anew = [], []
        chat = Chat(troupe, model, threads)
        for _ in range(TURNS):
            chat.ask("Go on: " + " ".join(chance.choices(WORDS, k=WORDS_A_TURN)))
        chat.do(f"/save {saved}")
        for round_ in range(ROUNDS):
            question = f"What was in room {round_}?"
            taken, said = chat.ask(question)
            going_on.append(taken)
            chat.do("/undo")
            fresh = Chat(troupe, model, threads)
            fresh.do(f"/load {saved}")
            anew.append(fresh.ask(question)[0])
            fresh.end()
        chat.end()
        with open(saved, encoding="utf-8") as file:
            turns = len(json.load(file)) // 2
    print(f"{turns} turns; the last question: {said.splitlines()[0]}")
    kept, whole = statistics.median(going_on), statistics.median(anew)
    print(f"first byte after {kept * 1e3:.1f} ms; with the history computed anew {whole * 1e3:.1f} ms: {100 * kept / whole:.1f} %")


if __name__ == "__main__":
    main()
