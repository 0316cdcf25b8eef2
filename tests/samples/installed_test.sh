#!/usr/bin/env bash
# Installs the package, builds both samples against it as projects of their own, and runs them.
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
export CXXFLAGS=${TROUPE_SANITIZE:+-fsanitize=$TROUPE_SANITIZE}
grep -q 'C++ Actor Framework' "$work"/prefix/share/doc/troupe/THIRD_PARTY_LICENSES || fail "fault 22: CAF's licence is not installed"
[ -z "$(find "$work/prefix" -name '*caf*')" ] || fail "fault 22: a CAF is installed beside the library"
for sample in embed custom_graph; do
  cmake -G Ninja -S "$samples/$sample" -B "$work/$sample" -DCMAKE_PREFIX_PATH="$work/prefix" > "$work/$sample.log" 2>&1 &&
    cmake --build "$work/$sample" >> "$work/$sample.log" 2>&1 || fail "building $sample against the installed package"
done

"$work/embed/embed" "$model" > "$work/embed.log" 2>&1 || fail "embed"
grep -q Paris "$work/embed.log" || fail "embed does not say Paris"
"$work/prefix/bin/troupe" run -m "$model" -p "The capital of France is" -n 32 > "$work/troupe.log" 2>&1 || fail "the command"
[ "$(cat "$work/embed.log")" = "$(cat "$work/troupe.log")" ] || fail "embed and the command say different things"

"$work/custom_graph/custom_graph" "$model" > "$work/custom_graph.log" 2> "$work/norms.log" || fail "custom_graph"
grep -q . "$work/custom_graph.log" || fail "custom_graph says nothing"
! grep -q ' Paris' "$work/custom_graph.log" || fail "custom_graph says what its filter forbids"
grep -q '^position 0: norm [0-9]' "$work/norms.log" || fail "the tap of custom_graph prints no norm"
grep -q '^position 30: norm [0-9]' "$work/norms.log" || fail "the tap of custom_graph misses steps"
