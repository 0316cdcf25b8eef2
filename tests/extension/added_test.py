"""Holds what the rooms' READMEs say about adding to troupe to what it takes: added/ has one of each kind as a patch.

usage: added_test.py [--build]

Applies the patches to a copy, one on the other, and compares what they touch with "(N files)" or "(N files + M lines)"
behind the kind's name in each room's README: existing files, or new ones and lines in existing ones; tests aside.
With --build it then builds the copy's tests of kernels and of extension, and runs them: the patches bring cases of
their own, and make the toy architecture use what they add.

They are patches because that is what adding something looks like, and what git can check. One that does not apply any
more: make its change by hand, then git diff -U1.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
KINDS = {  # in this order: the rule fuses the op
    "architecture": "An architecture",
    "node_kind": "A kind of node",
    "weight_format": "A weight format",
    "kernel_variant": "A kernel variant",
    "op": "An op",
    "fusion_rule": "A fusion rule",
}
COUNTS = r"(\d+ files?(?: \+ \d+ lines?)?)"
TARGETS = ("kernels_tests", "extension_tests")


def git(copy, *arguments):
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.dirname(copy))  # no repository around it counts
    done = subprocess.run(("git", *arguments), cwd=copy, env=environment, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def counted(number, what):
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def touched(copy, patch):
    """{room: {path: (whether it is new, lines added)}}; to be asked before the patch is applied."""
    rooms = {}
    for line in git(copy, "apply", "--numstat", patch)[1].splitlines():
        added, _, path = line.split("\t")
        rooms.setdefault(path.split("/")[0], {})[path] = (not os.path.exists(os.path.join(copy, path)), int(added))
    rooms.pop("tests", None)
    return rooms


def in_words(files):
    new = sum(is_new for is_new, _ in files.values())
    if new == 0:
        return counted(len(files), "file")
    lines = sum(added for is_new, added in files.values() if not is_new)
    return counted(new, "file") + " + " + counted(lines, "line")


def faults_of(kind, rooms):
    """What a room's README says otherwise, or not at all."""
    for room, files in rooms.items():
        readme = f"{room}/README.md"
        with open(os.path.join(SOURCE, readme), encoding="utf-8") as file:
            said = re.search(rf"- \*\*{KINDS[kind]}\*\* \({COUNTS}(.*?)(?:\n-|\n\n|\Z)", file.read(), re.S)
        if said is None:
            yield f'{readme} does not say "- **{KINDS[kind]}** ({in_words(files)})"'
            continue
        if said[1] != in_words(files):
            yield f"{readme} says {said[1]} for {KINDS[kind].lower()}; {kind}.patch touches {in_words(files)}"
        for path in files:
            folder, name = os.path.split(path)
            if name not in said[2] and os.path.basename(folder) + "/" not in said[2]:
                yield f"{readme} does not name {path} where it says how to add {KINDS[kind].lower()}"


def apply_all(copy):
    """Applies every patch; prints what they touch, yields what is wrong."""
    for kind in KINDS:
        patch = os.path.join(HERE, "added", kind + ".patch")
        rooms = touched(copy, patch)
        applied, output = git(copy, "apply", "--whitespace=nowarn", patch)
        if not applied:
            yield f"{kind}.patch does not apply any more; make its change by hand, then git diff -U1:\n{output}"
            continue
        if not rooms:
            yield f"{kind}.patch touches no room"
        for room, files in rooms.items():
            print(f"{kind}: {in_words(files)} in {room}/: {', '.join(files)}")
        yield from faults_of(kind, rooms)


def run(*command, copy):
    environment = dict(os.environ, CCACHE_BASEDIR=copy, CCACHE_NOHASHDIR="true")
    environment.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count()))
    print("+", *command, flush=True)
    if subprocess.run(command, cwd=copy, env=environment).returncode != 0:
        sys.exit(f"added_test.py: {' '.join(command)} failed")


def build_and_run(copy):
    run("cmake", "--preset", "release", "-DTROUPE_TESTS=ON", "-DTROUPE_SAMPLES=OFF", copy=copy)
    run("cmake", "--build", "build", "--target", *TARGETS, copy=copy)
    for target in TARGETS:
        run(f"build/tests/{target}", copy=copy)


def main():
    if shutil.which("git") is None:
        print("skipped: what is added: there is no git to apply patches")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(os.path.realpath(folder), "troupe")
        left_out = shutil.ignore_patterns("build", "build-*", ".git", ".cache", "__pycache__")
        shutil.copytree(SOURCE, copy, ignore=left_out)
        faults = list(apply_all(copy))
        for fault in faults:
            print(fault, file=sys.stderr)
        if not faults and "--build" in sys.argv[1:]:
            build_and_run(copy)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
