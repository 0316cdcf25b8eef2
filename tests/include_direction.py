"""Holds the includes of the repository to its layers: kernels < transport < runtime < plugins < actors.

usage: include_direction.py [ROOT] | --self-test

Prints each violation as file:line: message and exits 1 if there is one. ROOT is the repository by default.
"""

import fnmatch
import os
import re
import sys
import tempfile

PUBLIC = "runtime/include"  # its headers are written "troupe/..."
HOSTS = ("runtime/cli", "runtime/c")  # use the runtime as any other program does
SUFFIXES = (".hpp", ".h", ".inl", ".cc", ".cpp", ".c", ".cu", ".cuh")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Room: the rooms that it may include. Everyone may include their own.
MAY_INCLUDE = {
    PUBLIC: (),
    "kernels": (),
    "transport": (PUBLIC, "kernels"),
    "runtime": (PUBLIC, "kernels", "transport"),
    "plugins": (PUBLIC, "kernels", "transport", "runtime"),
    "actors": (PUBLIC, "kernels", "transport", "runtime", "plugins"),
    "runtime/cli": (PUBLIC,),
    "runtime/c": (PUBLIC,),
    "samples": (PUBLIC,),
}
MAY_INCLUDE["tests"] = tuple(MAY_INCLUDE)

# Libraries that stay where they are used: which headers, which files may include them, and that in words.
LIBRARIES = [
    (("caf/**",), ("actors/**.cc", "actors/*.hpp", "tests/**"), "CAF stays in actors/: in .cc files and actors/*.hpp"),
    (("boost/asio**",), ("**.cc", "transport/**"), "Asio stays in .cc files and transport/"),
    (("capnp/**", "kj/**"), ("**.cc", "transport/**"), "Cap'n Proto stays in .cc files and transport/"),
]

STANDARD = set(
    """algorithm any array atomic barrier bit bitset charconv chrono codecvt compare complex concepts
    condition_variable coroutine deque exception execution expected filesystem format forward_list fstream functional
    future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view
    strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
    valarray variant vector version cassert cctype cerrno cfenv cfloat cinttypes climits clocale cmath csetjmp csignal
    cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype assert.h ctype.h errno.h fenv.h float.h
    inttypes.h limits.h locale.h math.h setjmp.h signal.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    string.h time.h uchar.h wchar.h wctype.h""".split()
)


def room_of(path):
    """The room that a path from the root lies in, or None."""
    rooms = [room for room in MAY_INCLUDE if path.startswith(room + "/")]
    return max(rooms, key=len, default=None)


def source_files(root):
    for top in sorted({room.split("/")[0] for room in MAY_INCLUDE}):
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if not f.startswith((".", "build")))
            for name in sorted(files):
                if name.endswith(SUFFIXES):
                    yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def includes_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if match := INCLUDE.match(line):
                yield number, match[1] == '"', match[2]


def matches(path, patterns):
    """Globs in which ** stands for any path and * for a name."""

    def fits(pattern):
        deep_enough = "**" in pattern or pattern.count("/") == path.count("/")
        return deep_enough and fnmatch.fnmatchcase(path, pattern.replace("**", "*"))

    return any(fits(pattern) for pattern in patterns)


def target_room(name, quoted):
    """The room that an included name belongs to; None for what is not ours."""
    if name.startswith("troupe/"):
        return PUBLIC
    room = room_of(name)
    return room if quoted or room in ("kernels", "transport", "plugins", "actors") else None


def why_not(path, name, quoted):
    """What is wrong with `path` including `name`, or None."""
    room, target = room_of(path), target_room(name, quoted)
    if target is not None:
        if target == room or target in MAY_INCLUDE[room]:
            return None
        allowed = ", ".join((room,) + MAY_INCLUDE[room])
        return f'{room} may not include {target} ("{name}"); it may include {allowed}'
    if quoted:
        return f'"{name}" is not a path from the root of the repository; write it as one, or in <> where it is not ours'
    if room == PUBLIC and name not in STANDARD:
        return f"a public header may not include <{name}>; only the standard library and troupe/"
    for headers, places, words in LIBRARIES:
        if matches(name, headers) and not matches(path, places):
            return f"<{name}>: {words}"
    return None


def cycle_in(edges):
    """One cycle of rooms as a list that ends where it begins, or None."""
    done = set()

    def visit(room, trail):
        if room in trail:
            return trail[trail.index(room) :] + [room]
        if room in done:
            return None
        for following in sorted(edges.get(room, {})):
            if found := visit(following, trail + [room]):
                return found
        done.add(room)
        return None

    return next((found for room in sorted(edges) if (found := visit(room, []))), None)


def violations(root):
    edges = {}  # room: {included room: the first place}
    for path in source_files(root):
        room = room_of(path)
        if room is None:
            continue
        for number, quoted, name in includes_of(root, path):
            if message := why_not(path, name, quoted):
                yield f"{path}:{number}: {message}"
            target = target_room(name, quoted)
            if target not in (None, room):
                edges.setdefault(room, {}).setdefault(target, f"{path}:{number}")
    if cycle := cycle_in(edges):
        yield f"{edges[cycle[0]][cycle[1]]}: the rooms include each other: {' -> '.join(cycle)}"


# What is planted in an empty tree, and the violations that must come of it.
CLEAN = {
    "kernels/a.hpp": "#include <vector>\n",
    "transport/a.cc": '#include <boost/asio.hpp>\n#include "kernels/a.hpp"\n#include "troupe/error.hpp"\n',
    "transport/control.hpp": "#include <capnp/message.h>\n",
    "runtime/include/troupe/error.hpp": '#include <string>\n#include "troupe/code.hpp"\n',
    "runtime/plan/plan.cc": '#include "runtime/plan/plan.hpp"\n#include "transport/a.hpp"\n',
    "runtime/cli/main.cc": '#include <CLI/CLI.hpp>\n#include "runtime/cli/verbs.hpp"\n#include "troupe/runtime.hpp"\n',
    "plugins/a.cc": '#include "runtime/plan/plan.hpp"\n',
    "actors/a.hpp": "#include <caf/all.hpp>\n",
    "actors/host/a.cc": '#include <caf/all.hpp>\n#include "plugins/a.hpp"\n',
    "samples/one/main.cc": "#include <troupe/runtime.hpp>\n",
    "tests/a.cc": '#include <caf/all.hpp>\n#include "actors/a.hpp"\n#include "tests/b.hpp"\n',
}
PLANTED = [
    ("kernels/b.cc", '#include "troupe/error.hpp"', "kernels may not include runtime/include"),
    ("kernels/b.cc", '\n#include "transport/a.hpp"', "kernels may not include transport"),
    ("transport/b.hpp", '#include "runtime/plan/plan.hpp"', "transport may not include runtime"),
    ("transport/b.hpp", "#include <plugins/a.hpp>", "transport may not include plugins"),
    ("runtime/b.cc", '  #  include "plugins/a.hpp"', "runtime may not include plugins"),
    ("runtime/b.cc", '#include "runtime/cli/verbs.hpp"', "runtime may not include runtime/cli"),
    ("plugins/b.cc", '#include "actors/a.hpp"', "plugins may not include actors"),
    ("runtime/cli/b.cc", '#include "runtime/plan/plan.hpp"', "runtime/cli may not include runtime"),
    ("samples/b.cc", '#include "actors/a.hpp"', "samples may not include actors"),
    ("runtime/include/troupe/b.hpp", "#include <caf/all.hpp>", "a public header may not include <caf/all.hpp>"),
    ("runtime/include/troupe/b.hpp", '#include "kernels/a.hpp"', "runtime/include may not include kernels"),
    ("actors/b.cc", '#include "tests/b.hpp"', "actors may not include tests"),
    ("actors/b.cc", '#include "b.hpp"', '"b.hpp" is not a path from the root'),
    ("actors/host/b.hpp", "#include <caf/all.hpp>", "<caf/all.hpp>: CAF stays in actors/"),
    ("runtime/b.cc", "#include <caf/actor.hpp>", "<caf/actor.hpp>: CAF stays in actors/"),
    ("actors/b.hpp", "#include <boost/asio/ip/tcp.hpp>", "<boost/asio/ip/tcp.hpp>: Asio stays"),
    ("runtime/b.hpp", "#include <kj/async.h>", "<kj/async.h>: Cap'n Proto stays"),
]


def found_in(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return list(violations(root))


def self_test():
    failures = [f"the clean tree has {violation}" for violation in found_in(CLEAN)]
    for path, text, message in PLANTED:
        found = found_in({**CLEAN, path: text + "\n"})
        expected = f"{path}:{text.count(chr(10)) + 1}: {message}"
        if not any(violation.startswith(expected) for violation in found):
            failures.append(f"{text.strip()} in {path} gives {found}, not {expected}")
    upwards = found_in({**CLEAN, "runtime/b.cc": '#include "plugins/a.hpp"\n'})
    if not any("include each other: plugins -> runtime -> plugins" in violation for violation in upwards):
        failures.append(f"a cycle of plugins and runtime is not reported: {upwards}")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
        if not os.path.isdir(os.path.join(root, "kernels")):
            sys.exit(f"{root} is not the repository: it has no kernels/")
        found = list(violations(root))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
