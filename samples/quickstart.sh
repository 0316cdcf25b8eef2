#!/usr/bin/env bash
# Installs what troupe needs, builds it, gets SmolLM2-135M-Instruct, and lets it speak, split into two pipeline stages.
#   quickstart.sh [QUESTION]
set -euo pipefail
cd "$(dirname "$0")/.."
question=${1:-Why is the sky blue?}
if [ "$question" = --help ] || [ "$question" = -h ]; then
  sed -n '2,3s/^# //p' "$0"
  exit
fi

fail() {
  echo "quickstart.sh: $*" >&2
  exit 1
}

tests/setup.sh build || fail "could not set up this machine"

if [ ! -f build/build.ninja ]; then
  cmake --preset release -DTROUPE_TESTS=OFF -DTROUPE_SAMPLES=OFF >&2 || fail "could not configure the build"
fi
[ -x build/bin/troupe ] || echo "building troupe, which takes a few minutes the first time" >&2
ninja -C build troupe_cli | sed -u '/^ninja: \(Entering\|no work\)/d; /Re-checking globbed/d' >&2 ||
  fail "could not build troupe"

model=$(samples/get_model.sh smollm2) || fail "could not get the model"

echo "> $question" >&2
build/bin/troupe run -m "$model" --plan pp2 -n 64 --chat -p "$question"
