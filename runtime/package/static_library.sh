#!/usr/bin/env bash
# Makes the static library of all rooms, CAF's core, PCRE2 and liburing, and of them shows only what the shared one shows,
# so that a host that links it may have a CAF and a PCRE2 of its own.
#   static_library.sh OUTPUT SHARED CAF PCRE2 URING ROOM...   the shared library, the others' archives, those of the rooms
set -euo pipefail
output=$1 shared=$2 caf=$3 pcre2=$4 uring=$5
shift 5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One object, so that names which only rooms need of each other can become local; with their groups resolved, for a linker
# may drop a group of which it has another copy, local names and all.
ld -r --force-group-allocation -o "$work/whole.o" --whole-archive "$@" --no-whole-archive "$caf" "$pcre2" "$uring"
nm -D --defined-only "$shared" | awk '{ print $NF }' | sort -u > "$work/shown"
# GNU's unique symbols cannot become local; weak ones can.
nm -g --defined-only "$work/whole.o" | awk '$2 == "u" { print $3 }' > "$work/unique"
objcopy --weaken-symbols="$work/unique" "$work/whole.o" "$work/weak.o"
objcopy --keep-global-symbols="$work/shown" "$work/weak.o" "$work/troupe.o"
rm -f "$output"
ar rcs "$output" "$work/troupe.o"
