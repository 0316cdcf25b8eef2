"""Counts the instructions that the inner loops of ARM's kernels take for a block of 16 rows by 32 columns, and holds them to limits.

usage: count_instructions.py LIBRARY
"""

import re
import subprocess
import sys

FORMATS = {"2": "Q4_0", "6": "Q8_0"}  # their numbers in kernels/format.hpp
MULTIPLIES = {"neon": r"s(mull|mlal)2?", "dotprod": "sdot", "i8mm": "us(dot|mmla)"}
LIMITS = {("dotprod", "Q4_0", 1): 120, ("dotprod", "Q4_0", 4): 410, ("dotprod", "Q8_0", 1): 100}


def products_of_a_block(level, tokens):
    """Instructions that multiply: of 8, 16 or 32 pairs of bytes."""
    if level == "i8mm" and tokens > 1:
        return 16 * 32 * (tokens + tokens % 2) // 32
    return 16 * 32 * tokens // (8 if level == "neon" else 16)


def functions(library):
    """(level, format, tokens, [(address, name, arguments)]) of every tile kernel."""
    command = ["aarch64-linux-gnu-objdump", "-dC", "--no-show-raw-insn", library]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kernel = r"^[0-9a-f]+ <troupe::kernels::(\w+)::BlockTile<\(troupe::kernels::Format\)(\d+), (\d)>::run.*>:\n((?:.+\n)+)"
    for found in re.finditer(kernel, listing, re.M):
        level, number, tokens, body = found.groups()
        lines = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)(.*)", body, re.M)
        yield level, number, int(tokens), [(int(address, 16), name, rest) for address, name, rest in lines]


def loops(code):
    """The instructions of each loop: from where a branch goes back to it."""
    places = {address: i for i, (address, _, _) in enumerate(code)}
    for end, (_, name, rest) in enumerate(code):
        target = re.search(r"\b([0-9a-f]+) <", rest)
        begin = places.get(int(target[1], 16)) if target and re.match(r"b$|b\.|cb|tb", name) else None
        if begin is not None and begin <= end:
            yield code[begin : end + 1]


def count(level, tokens, code):
    """Instructions of a block: of the shortest loop that multiplies whole blocks."""
    counts = []
    for loop in loops(code):
        multiplies = sum(re.fullmatch(MULTIPLIES[level], name) is not None for _, name, _ in loop)
        blocks, rest = divmod(multiplies, products_of_a_block(level, tokens))
        if blocks > 0 and rest == 0:
            counts.append(len(loop) / blocks)
    return min(counts, default=None)


def main(library):
    failed = 0
    found = {}
    for level, number, tokens, code in functions(library):
        if number in FORMATS:
            found[level, FORMATS[number], tokens] = count(level, tokens, code)
    for (level, name, tokens), instructions in sorted(found.items()):
        limit = LIMITS.get((level, name, tokens))
        wrong = instructions is None or (limit is not None and instructions > limit)
        failed += wrong
        said = "no loop found" if instructions is None else f"{instructions:.0f} instructions"
        print(f"{level:8} {name} {tokens} tokens: {said}{f', at most {limit}' if limit else ''}{' WRONG' if wrong else ''}")
    missing = LIMITS.keys() - found.keys()
    if missing:
        print(f"not in {library}: {sorted(missing)}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
