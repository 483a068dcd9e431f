#!/usr/bin/env bash
# Runs a tool that is no part of Rust, of one version. The first time it is fetched, and checked by its hash; where no
# such binary fits the machine, it is compiled.
# usage: deploy/tool.sh cargo-deny|cargo-llvm-cov ARGS…
set -euo pipefail

name=${1:?a tool}
shift
case "$name" in
  cargo-deny) version=0.20.2 hash=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee ;;
  cargo-llvm-cov) version=0.9.1 hash=0fa6a9ea6a58b2af6541d1d9267dc651b8c0b5d90839938a51a47224e169598a ;;
  *) echo "usage: $0 cargo-deny|cargo-llvm-cov ARGS…" >&2; exit 2 ;;
esac

tools=${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/tools
tool=$tools/bin/$name-$version

fetch() {
  [ "$(uname -sm)" = "Linux x86_64" ] || return 1
  local scratch wheel
  scratch=$(mktemp -d "$tools/fetch.XXXXXX")
  # A wheel that holds the released binary. What has another hash is refused.
  echo "astral-dev-toolchain-$name==$version --hash=sha256:$hash" >"$scratch/wanted"
  if python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
      --dest "$scratch" --requirement "$scratch/wanted" >&2 \
    && wheel=$(echo "$scratch"/*.whl) && python3 -m zipfile -e "$wheel" "$scratch/out"; then
    install -m 755 "$scratch"/out/*/scripts/"$name" "$tool"
  fi
  rm -rf "$scratch"
  [ -x "$tool" ]
}

if [ ! -x "$tool" ]; then
  mkdir -p "$tools/bin"
  echo "fetching $name $version" >&2
  if ! fetch 2>"$tools/$name.log"; then
    echo "no binary of $name $version could be fetched: compiling it (minutes)" >&2
    cargo install --locked --quiet --root "$tools/made" "$name@$version"
    install -m 755 "$tools/made/bin/$name" "$tool"
  fi
fi
exec "$tool" "$@"
