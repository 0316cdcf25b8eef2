#!/usr/bin/env bash
# Unpacks the arm64 libraries that troupe needs, once, into ~/.cache/troupe/arm64, where toolchain.cmake looks for them, and builds
# CAF for them. Nothing is installed: Debian's amd64 and arm64 packages of some of them exclude each other.
set -euo pipefail
build_caf=$(realpath "$(dirname "$0")/../../actors/build_caf.sh")
folder=$HOME/.cache/troupe/arm64
packages=(catch2 libbsd0 libboost1.81-dev libcli11-dev libedit-dev libedit2 libmd0 libpcre2-dev libtinfo6
  libtomlplusplus-dev liburing-dev libxxhash-dev)
fail() {
  echo "sysroot.sh: $*" >&2
  exit 1
}

if [ ! -e "$folder/complete" ] || [ "$(cat "$folder/complete")" != "${packages[*]}" ]; then
  echo "sysroot.sh: getting arm64 libraries, once, into $folder" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/packages" "$work/unpacked"
  options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$work/lists"
    -o Dir::State::status=/dev/null -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)")
  cd "$work/packages"
  { apt-get update "${options[@]}" && apt-get download "${options[@]}" "${packages[@]}"; } > "$work/log" 2>&1 ||
    fail "cannot get the packages (no network?): $(grep -m 1 '^[EW]:' "$work/log")"
  for package in *.deb; do dpkg -x "$package" "$work/unpacked"; done
  printf '%s\n' "${packages[*]}" > "$work/unpacked/complete"
  rm -rf "$folder"
  mkdir -p "$(dirname "$folder")"
  mv "$work/unpacked" "$folder"
fi
"$build_caf" arm64
