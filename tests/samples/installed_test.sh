#!/usr/bin/env bash
# Installs the package, builds the samples against it as projects of their own, and runs them; the one in C by pkg-config
# too, with the shared library and with the static one.
# From the environment: TROUPE_BUILD, the build folder; TROUPE_MODELS; TROUPE_SANITIZE, what the package was built with.
set -euo pipefail
samples=$(cd "$(dirname "$0")/../../samples" && pwd)
model=$TROUPE_MODELS/SmolLM2-135M-Instruct.Q4_1.gguf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $1" >&2
  cat "$work"/*.log >&2
  exit 1
}

[ -f "$model" ] || fail "$model is missing; samples/get_model.sh gets it"
cmake --install "$TROUPE_BUILD" --prefix "$work/prefix" > "$work/install.log" 2>&1 || fail "installing"
export CXXFLAGS=${TROUPE_SANITIZE:+-fsanitize=$TROUPE_SANITIZE} CFLAGS=${TROUPE_SANITIZE:+-fsanitize=$TROUPE_SANITIZE}
grep -q 'C++ Actor Framework' "$work"/prefix/share/doc/troupe/THIRD_PARTY_LICENSES || fail "fault 22: CAF's licence is not installed"
[ -z "$(find "$work/prefix" -name '*caf*')" ] || fail "fault 22: a CAF is installed beside the library"
for sample in embed live_change custom_graph c; do
  cmake -G Ninja -S "$samples/$sample" -B "$work/$sample" -DCMAKE_PREFIX_PATH="$work/prefix" > "$work/$sample.log" 2>&1 &&
    cmake --build "$work/$sample" >> "$work/$sample.log" 2>&1 || fail "building $sample against the installed package"
done

"$work/embed/embed" "$model" > "$work/embed.log" 2>&1 || fail "embed"
grep -q Paris "$work/embed.log" || fail "embed does not say Paris"
"$work/prefix/bin/troupe" run -m "$model" -p "The capital of France is" -n 32 > "$work/troupe.log" 2>&1 || fail "the command"
[ "$(cat "$work/embed.log")" = "$(cat "$work/troupe.log")" ] || fail "embed and the command say different things"

"$work/live_change/live_change" "$model" > "$work/live_change.log" || fail "live_change"
grep -q "the same tokens" "$work/live_change.log" || fail "live_change says other tokens"
"$work/custom_graph/custom_graph" "$model" > "$work/custom_graph.log" 2> "$work/norms.log" || fail "custom_graph"
grep -q . "$work/custom_graph.log" || fail "custom_graph says nothing"
! grep -q ' Paris' "$work/custom_graph.log" || fail "custom_graph says what its filter forbids"
grep -q '^position 0: norm [0-9]' "$work/norms.log" || fail "the tap of custom_graph prints no norm"
grep -q '^position 30: norm [0-9]' "$work/norms.log" || fail "the tap of custom_graph misses steps"

# What a program in C streams by callback is what embed says, and then what it says until it is cancelled.
run_c_sample() {
  "$1" "$model" > "$work/c.log" 2> "$work/c_outcomes.log" || fail "the sample in C, $2"
  cmp -n "$(wc -c < "$work/embed.log")" "$work/embed.log" "$work/c.log" || fail "the sample in C, $2, and embed say different things"
  grep -q 'length after 32 tokens' "$work/c_outcomes.log" || fail "the sample in C, $2, does not say how its text ended"
  grep -q 'cancelled after' "$work/c_outcomes.log" || fail "the sample in C, $2, is not cancelled"
}
run_c_sample "$work/c/c_sample" "by CMake"

libraries=$(dirname "$(find "$work/prefix" -name libtroupe.so)")
export PKG_CONFIG_PATH=$libraries/pkgconfig
compile() {
  "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror $CFLAGS "$samples/c/main.c" "$@" > "$work/compile.log" 2>&1
}
compile $(pkg-config --cflags --libs troupe) -Wl,-rpath,"$libraries" -o "$work/c_shared" || fail "compiling by pkg-config"
run_c_sample "$work/c_shared" "by pkg-config"
if [ -z "${TROUPE_SANITIZE:-}" ]; then  # sanitizers have no static runtime
  compile -static $(pkg-config --static --cflags --libs troupe) -o "$work/c_static" || fail "compiling by pkg-config --static"
  run_c_sample "$work/c_static" "linked statically"
  TROUPE_LIBRARY=$libraries/libtroupe.so python3 "$samples/python/stream.py" "$model" > "$work/python.log" 2>&1 ||
    fail "the sample in Python"
  cmp "$work/embed.log" "$work/python.log" || fail "the sample in Python and embed say different things"
else
  echo "skipped: the static library and the sample in Python, which have no place for a sanitizer"
fi
