#!/usr/bin/env bash
# Installs what it needs, builds, gets the two test models and runs every test but the long ones (ctest -L long).
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)

step() { printf '\n== %s (%d s)\n' "$1" $SECONDS; }
fail() {
  echo "run.sh: FAILED: $1 (after $SECONDS s)" >&2
  exit 1
}

step "setting up"
tests/setup.sh || fail "setting up this machine"
step "building with $jobs jobs"
cmake --preset release -DTROUPE_TESTS=ON -DTROUPE_SAMPLES=ON || fail "configuring"
cmake --build --preset release -j "$jobs" || fail "building"
step "getting the models"
samples/get_model.sh smollm2 || fail "getting SmolLM2"
samples/get_model.sh gemma3 || fail "getting Gemma3"
step "testing"
log=build/Testing/Temporary/LastTest.log
rm -f "$log"
passed=true
ctest --preset release -j "$jobs" || passed=false
grep -hoE "skipped(:| ['\"]).*" "$log" | sort -u | sed 's/^/run.sh: /' || true
echo "run.sh: the slowest: $(awk '/ Test: / { name = $3 } /^Test time = / { print $4, "s " name }' "$log" |
  sort -rn | head -n 6 | paste -sd ',' | sed 's/,/, /g')"
$passed || fail "tests, listed above"
if [ "$(uname -m)" = x86_64 ] && [ "$SECONDS" -gt 600 ]; then
  echo "run.sh: skipped: the kernels of other processors, because the rest took $SECONDS s; tests/emulated.sh tests them"
elif [ "$(uname -m)" = x86_64 ]; then
  step "testing the kernels of other processors, emulated"
  tests/emulated.sh || fail "kernels of other processors, listed above"
fi
echo "run.sh: all tests passed in $SECONDS s"
