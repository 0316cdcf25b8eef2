#!/usr/bin/env bash
# Builds CAF's core from Debian's source package, once, as the static library that troupe keeps to itself; Debian has only a
# shared one, and a host's own CAF would take its place. About a minute; kept in ~/.cache/troupe/caf-quiet.
#   build_caf.sh [tsan]     with the thread sanitizer, in caf-quiet-tsan: otherwise each message between actors looks like a race
#   build_caf.sh arm64      for 64-bit ARM, in caf-quiet-arm64, with tests/arm64/toolchain.cmake
set -euo pipefail
prefix=$HOME/.cache/troupe/caf-quiet${1:+-$1}
[ ! -f "$prefix/lib/libcaf_core_static.a" ] || exit 0

fail() {
  echo "build_caf.sh: $*" >&2
  exit 1
}
case ${1:-} in
  '') type=Release sanitize= toolchain= ;;
  tsan) type=RelWithDebInfo sanitize=-fsanitize=thread toolchain= ;;
  arm64) type=Release sanitize= toolchain=$(realpath "$(dirname "$0")/../tests/arm64/toolchain.cmake") ;;
  *) fail "'$1' is no kind of CAF; right would be: build_caf.sh [tsan | arm64]" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial"
cp /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list "$work/sources" 2> /dev/null || true
cp /etc/apt/sources.list "$work/sources/main.list" 2> /dev/null || true
sed -i 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$work"/sources/*
options=(-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists"
  -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)")
echo "build_caf.sh: building CAF's core, once, into $prefix" >&2
cd "$work"
apt-get update "${options[@]}" && apt-get source --download-only --tar-only "${options[@]}" actor-framework ||
  fail "cannot get the source package actor-framework (no network?)"
tar -xf actor-framework_*.orig.tar.gz --strip-components=1 --one-top-level=source

# Even where nothing is logged, CAF leaves a reference to the system's logger in each thread that meets an actor: the system's
# end waits for these, and the C library ends a process that has no memory for them. So no thread has a logger.
logger=source/libcaf_core/src/logger.cpp
sed -i '/^thread_local intrusive_ptr<logger> current_logger;$/d; s/^  current_logger.reset(x);$/  static_cast<void>(x);/
  s/^  return current_logger.get();$/  return nullptr;/' "$logger"
! grep -q 'current_logger[;.]' "$logger" || fail "CAF's logger is not the one that is known: $logger"

# First into a folder that goes away: an install that is cut short must not look like a whole one.
cmake -G Ninja -S source -B build -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DCMAKE_BUILD_TYPE="$type" \
  ${toolchain:+-DCMAKE_TOOLCHAIN_FILE="$toolchain"} \
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=14 \
  -DCMAKE_CXX_FLAGS="-w $sanitize" -DCMAKE_CXX_FLAGS_RELEASE=-O2 \
  -DCMAKE_INSTALL_PREFIX="$work/prefix" -DCAF_BUILD_STATIC_ONLY=ON -DCAF_NO_IO=ON -DCAF_NO_OPENSSL=ON -DCAF_NO_TOOLS=ON \
  -DCAF_NO_EXAMPLES=ON -DCAF_NO_UNIT_TESTS=ON > configure.log 2>&1 || fail "cannot configure CAF: $(tail -n 5 configure.log)"
cmake --build build > build.log && cmake --install build > /dev/null || fail "cannot build CAF: $(tail -n 20 build.log)"
rm -rf "$prefix"
mkdir -p "$(dirname "$prefix")"
mv prefix "$prefix"
