#!/usr/bin/env bash
# Builds CAF's core with the thread sanitizer, for the tsan preset: with Debian's own, which is not instrumented, every
# message between actors looks like a race. About 2 minutes, once; kept in ~/.cache/troupe/caf-tsan.
set -euo pipefail
prefix=$HOME/.cache/troupe/caf-tsan
[ ! -f "$prefix/lib/libcaf_core_static.a" ] || exit 0

fail() {
  echo "build_caf.sh: $*" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial"
cp /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list "$work/sources" 2> /dev/null || true
cp /etc/apt/sources.list "$work/sources/main.list" 2> /dev/null || true
sed -i 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$work"/sources/*
options=(-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists"
  -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)")
cd "$work"
apt-get update "${options[@]}" && apt-get source --download-only --tar-only "${options[@]}" actor-framework ||
  fail "cannot get the source package actor-framework (no network?)"
tar -xf actor-framework_*.orig.tar.gz --strip-components=1 --one-top-level=source

cmake -G Ninja -S source -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
  -DCMAKE_CXX_FLAGS="-fsanitize=thread" -DCMAKE_INSTALL_PREFIX="$prefix" -DCAF_BUILD_STATIC_ONLY=ON -DCAF_NO_IO=ON \
  -DCAF_NO_OPENSSL=ON -DCAF_NO_TOOLS=ON -DCAF_NO_EXAMPLES=ON -DCAF_NO_UNIT_TESTS=ON > configure.log ||
  fail "cannot configure CAF: $(tail -n 5 configure.log)"
cmake --build build > build.log && cmake --install build > /dev/null || fail "cannot build CAF: $(tail -n 20 build.log)"
