#!/usr/bin/env bash
# fault 22: a host's own CAF, of any version, does not take over troupe's calls.
# The host that is built here defines every symbol of CAF's, toml++'s and PCRE2's that libtroupe knows, as a trap, and comes
# first in the order in which the dynamic linker looks; another one is linked with the static library. Before that: what libtroupe shows
# and needs.
# From the environment: TROUPE_BUILD, the build folder; TROUPE_MODELS; TROUPE_SANITIZE, what the library was built with.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
model=$TROUPE_MODELS/SmolLM2-135M-Instruct.Q4_1.gguf
library=$TROUPE_BUILD/lib/libtroupe.so
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: fault 22: $1" >&2
  exit 1
}

[ -f "$model" ] || fail "$model is missing; samples/get_model.sh gets it"
needed=$(readelf -d "$library" | grep NEEDED)
! grep -E 'caf|toml|pcre' <<< "$needed" || fail "libtroupe needs a library that hosts do not have"
others=$(nm -D --defined-only --demangle "$library" | sed -E 's/^[0-9a-f]* . //; s/^(typeinfo|typeinfo name|vtable|guard variable) for //' |
  grep -Ev '^troupe(::|_)' || true)
[ -z "$others" ] || fail "libtroupe shows what is not its API: $(head -n 3 <<< "$others")"

nm "$library" | awk '{ print $NF }' | grep -E '^_Z(T[VTIS]|GV)?(N|NK|NO|NKO|NR|NKR)?(3caf|4toml)|^_?pcre2_' | sort -u > "$work/names"
[ "$(wc -l < "$work/names")" -gt 1000 ] || fail "libtroupe knows of no CAF: what would this test show?"
{
  echo '.text'
  sed 's/.*/.globl &\n.type &,@function\n&:/' "$work/names"
  echo 'ud2'
  echo '.section .note.GNU-stack,"",@progbits'
} > "$work/traps.s"
grep -q '^pcre2_match' "$work/names" || fail "libtroupe knows of no PCRE2"
# run_host LIBRARY OPTION...: a host that has the traps for CAF, with one of the two libraries
run_host() {
  "${CXX:-c++}" -std=c++20 ${TROUPE_SANITIZE:+-fsanitize=$TROUPE_SANITIZE} -I "$root/runtime/include" \
    "$root/samples/embed/main.cc" "$work/traps.s" "$@" -o "$work/host" || fail "cannot build the host with $1"
  "$work/host" "$model" > "$work/said" || fail "the host fell into a trap of its own CAF, with $1"
  grep -q Paris "$work/said" || fail "the host does not say Paris, with $1"
}
run_host "$library" -rdynamic -Wl,-rpath,"$TROUPE_BUILD/lib"
grep 'N3caf12actor_systemC1' <(nm -D --defined-only "$work/host") > /dev/null || fail "the host's CAF is not to be seen"
run_host "$TROUPE_BUILD/actors/libtroupe.a"
