"""Holds what the libraries show to what the headers declare: C functions of troupe.h, C++ names of namespace troupe.

From the environment: TROUPE_BUILD, the build folder; TROUPE_SOURCE, the repository.
"""

import os
import re
import subprocess
import sys


def declared(header):
    """The functions of troupe.h."""
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"//[^\n]*", "", file.read())
    return set(re.findall(r"^(?:const )?\w+\*? (troupe_\w+)\(", text, re.MULTILINE))


def shown(library, *options):
    """The names that a library shows, as C++ writes them."""
    command = ["nm", "--defined-only", "--demangle", *options, library]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.split(" ", 2)[2] for line in lines if re.match(r"[0-9a-f]+ [A-Za-z] ", line)]
    return [re.sub(r"^(typeinfo|typeinfo name|vtable) for ", "", name) for name in names]


def wrong_with(names, functions):
    """What is wrong with the names that a library shows, a line each."""
    in_c = {name for name in names if name.startswith("troupe_")}
    yield from (f"{name} is declared and not shown" for name in sorted(functions - in_c))
    yield from (f"{name} is shown and not declared" for name in sorted(in_c - functions))
    yield from (f"{name} is not ours" for name in names if not name.startswith(("troupe_", "troupe::")))


def main():
    build, source = os.environ["TROUPE_BUILD"], os.environ["TROUPE_SOURCE"]
    functions = declared(os.path.join(source, "runtime/c/troupe.h"))
    if len(functions) < 50:
        sys.exit(f"FAILED: only {len(functions)} functions are found in troupe.h; how does it write them?")
    libraries = [(os.path.join(build, "lib/libtroupe.so"), "-D"), (os.path.join(build, "actors/libtroupe.a"), "-g")]
    failures = [f"{path}: {line}" for path, *options in libraries for line in wrong_with(shown(path, *options), functions)]
    print("\n".join(failures), end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
