#!/usr/bin/env bash
# Installs what is missing, with apt-get, of what building troupe needs and, unless `build` is given, of what testing needs.
# Builds CAF where that has not been done.
#   setup.sh [build]
set -euo pipefail

missing=()
need() { # need PACKAGE COMMAND...: the package is missing where the command fails
  local package=$1
  shift
  "$@" > /dev/null 2>&1 || missing+=("$package")
}
header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }
fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

[ -z "${CXX:-}" ] || command -v "$CXX" > /dev/null || fail "no compiler: CXX is set to '$CXX', which is no command here"
need g++ command -v "${CXX:-c++}"
need cmake command -v cmake
need ninja-build command -v ninja
need libtomlplusplus-dev header toml++/toml.h
need libcli11-dev header CLI/CLI.hpp
need libpcre2-dev header pcre2.h
need libxxhash-dev header xxhash.h
need liburing-dev header liburing.h
need libedit-dev header histedit.h
need libboost1.81-dev header boost/json/src.hpp
need python3 command -v python3
need python3-pip python3 -c 'import pip'
if [ "${1:-}" != build ]; then
  need python3-venv python3 -c 'import ensurepip'
  need catch2 header catch2/catch.hpp
  if [ "$(uname -m)" = x86_64 ]; then # for the kernels of processors that this one is not
    need libsimde-dev header simde/x86/avx512.h
    need g++-aarch64-linux-gnu command -v aarch64-linux-gnu-g++
    need qemu-user command -v qemu-aarch64
  fi
  need pkg-config command -v pkg-config
  need tmux command -v tmux
  need python3-regex python3 -c 'import regex'
fi

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get > /dev/null || fail "these Debian packages, or what they hold, are missing: ${missing[*]}"
  [ "$(id -u)" = 0 ] || fail "installing needs root. Run this as root, or first: sudo apt-get install ${missing[*]}"
  echo "setup.sh: installing ${missing[*]}" >&2
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq -o APT::Update::Error-Mode=any -o Acquire::Retries=1 > "$log" 2>&1 ||
    fail "cannot reach the Debian package servers (no network?) to install ${missing[*]}: $(grep -m 1 '^[EW]:' "$log")"
  apt-get install -y -qq --no-install-recommends ca-certificates "${missing[@]}" > "$log" 2>&1 ||
    fail "cannot install ${missing[*]}: $(grep -m 1 '^E:' "$log")"
fi

"$(dirname "$0")/../actors/build_caf.sh" || fail "cannot build CAF"
