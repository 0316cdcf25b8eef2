#!/usr/bin/env bash
# Measures troupe beside llama.cpp, and its splits beside the machine's ceiling; prints Markdown tables.
#   peers.sh [--rounds N] [--llama FOLDER] [--large FILE.gguf]
# FOLDER holds llama-bench; without it, ../shared/peers/build-llama-cpp.sh builds one. FILE is the larger of the two models;
# without it, a random one of 1.1B parameters in Q4_0 is made by ../shared/models/make_models.py. Takes half an hour.
set -euo pipefail
cd "$(dirname "$0")/../.."
shared=${TROUPE_SHARED:-../shared} cache=$HOME/.cache/troupe
rounds=5 llama='' large=''

fail() {
  echo "peers.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in -h | --help) sed -n '2,5s/^# //p' "$0" && exit ;; esac
  [ $# -ge 2 ] || fail "$1 needs a value"
  case $1 in
    --rounds) rounds=$2 ;;
    --llama) llama=$2 ;;
    --large) large=$2 ;;
    *) fail "unknown option $1: --rounds, --llama or --large" ;;
  esac
  shift 2
done

if [ -z "$llama" ]; then
  [ -f "$shared/peers/build-llama-cpp.sh" ] || fail "which llama.cpp? --llama FOLDER, with llama-bench in it"
  llama=$(bash "$shared/peers/build-llama-cpp.sh") || fail "could not build llama.cpp"
fi
[ -x "$llama/llama-bench" ] || fail "$llama has no llama-bench"

cmake --preset release -DTROUPE_TESTS=ON >&2
cmake --build build --target troupe_cli bench_kernels bench_actor_cost >&2
small=$(samples/get_model.sh smollm2)

if [ -z "$large" ]; then
  large=$cache/models/random-1.1b-q4_0.gguf
  if [ ! -f "$large" ]; then
    [ -f "$shared/models/make_models.py" ] || fail "which larger model? --large FILE.gguf"
    [ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet gguf numpy
    "$cache/venv/bin/python" "$shared/models/make_models.py" --tok "$small" --preset tinyllama --quant Q4_0 \
      -o "$large.part" >&2
    mv "$large.part" "$large"
  fi
fi

exec python3 tests/bench/peers.py --build build --llama "$llama" --rounds "$rounds" "$small" "$large"
