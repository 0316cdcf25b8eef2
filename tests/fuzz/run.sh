#!/usr/bin/env bash
# Builds every fuzzer and runs them one after the other, so many times each. Needs clang and its runtime libraries
# (Debian: clang, libclang-rt-14-dev).
#   run.sh RUNS [fuzzer...]      for example: run.sh 10000000, run.sh 100000 graph_fuzz
# What is found lies in build-fuzz/found, beside the log of each fuzzer.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
  echo "run.sh: $*" >&2
  exit 2
}
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || fail "how many runs? For example: tests/fuzz/run.sh 1000000"
runs=$1
shift
command -v clang++ > /dev/null || fail "clang++ is missing: apt-get install clang libclang-rt-14-dev"

# The longest input of each, in bytes: what gets everywhere, and is still quick to change.
declare -A longest=([adapter]=2048 [c_api]=2048 [checkpoint]=12288 [graph]=2048 [gguf]=8192 [ids]=64 [messages]=512 [plan]=32 [split]=1024
  [template]=512 [text]=128 [tokenizer]=64)
[ $# -gt 0 ] || set -- $(printf '%s_fuzz\n' "${!longest[@]}" | sort)
cmake --preset fuzz > /dev/null || fail "configuring"
cmake --build --preset fuzz --target "$@" || fail "building"

# Two frames of who allocated what are enough to find it, and much faster than thirty.
export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=64

found=build-fuzz/found
mkdir -p "$found"
status=0
for fuzzer in "$@"; do
  log=$found/$fuzzer.log
  start=$(date +%s%N)
  outcome="no finding"
  "build-fuzz/tests/fuzz/$fuzzer" -runs="$runs" -max_len="${longest[${fuzzer%_fuzz}]:-4096}" -len_control=0 -timeout=20 \
    -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 -artifact_prefix="$found/$fuzzer." \
    > "$log" 2>&1 || { outcome="FOUND something, see $log"; status=1; }
  milliseconds=$((($(date +%s%N) - start) / 1000000 + 1))
  done_runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
  seed=$(awk '/INFO: Seed:/ { print $3 }' "$log")
  echo "$fuzzer: ${done_runs:-?} runs, $((${done_runs:-0} * 1000 / milliseconds)) a second, seed ${seed:-?}: $outcome"
done
exit $status
