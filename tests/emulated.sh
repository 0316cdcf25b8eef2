#!/usr/bin/env bash
# Builds and tests the kernels of processors that this one, an x86-64, is not: 64-bit ARM's under qemu, at three levels, and AVX-512's
# by SIMDe where it lacks that. Some minutes of two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
cmake -S tests/arm64 -B build-arm64-kernels -G Ninja -DCMAKE_TOOLCHAIN_FILE="$PWD/tests/arm64/toolchain.cmake" > /dev/null
cmake --build build-arm64-kernels -j "$jobs"
ctest --test-dir build-arm64-kernels -j "$jobs" --output-on-failure
! grep -q avx512_vnni /proc/cpuinfo || exit 0
cmake --preset release -DTROUPE_TESTS=ON -DTROUPE_SAMPLES=ON -DTROUPE_EMULATED_AVX512=ON > /dev/null
cmake --build --preset release -j "$jobs" --target kernels_tests
build/tests/kernels_tests
