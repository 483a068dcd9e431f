#!/usr/bin/env bash
# cargo for what is shipped and for what measures it: optimised, and static. glibc and OpenSSL's libcrypto are in the
# binary, so that it runs in an empty directory. Whoever builds by this shares one set of artefacts, and each dependency
# is compiled once. What is built lies in $CARGO_TARGET_DIR/TRIPLE/release.
# usage: deploy/release.sh build|bench|test ARGS…      for this machine, or for the triple of ALLOD_TARGET
#        deploy/release.sh triple                      which that is
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
triple=${ALLOD_TARGET:-$host}
if [ "${1:?build, bench, test or triple}" = triple ]; then
  echo "$triple"
  exit
fi
target=${CARGO_TARGET_DIR:-$PWD/target}

missing() {
  echo "cannot build for $triple: $1" >&2
  exit 1
}

compiler=cc
if [ "$triple" != "$host" ]; then
  compiler=${triple/-unknown/}-gcc
  upper=$(echo "$triple" | tr a-z- A-Z_)
  export "CARGO_TARGET_${upper}_LINKER=$compiler" "CC_${triple//-/_}=$compiler"
fi
[ -d "$(rustc --print sysroot)/lib/rustlib/$triple/lib" ] \
  || missing "Rust's standard library for it is not installed (rustup target add $triple)"
command -v "$compiler" >/dev/null || missing "there is no $compiler (Debian: gcc-${triple/-unknown/})"

# rustc asks the linker for a shared libcrypto, which a static program cannot have: where only the archive is, it takes
# that. The distribution's, since that is looked after; it costs no build time.
archive=$("$compiler" -print-file-name=libcrypto.a)
[ -f "$archive" ] || missing "there is no libcrypto.a for it (Debian: libssl-dev, of that architecture)"
static=$target/static/$triple
mkdir -p "$static"
ln -sf "$(realpath "$archive")" "$static/libcrypto.a"
export OPENSSL_LIB_DIR=$static OPENSSL_INCLUDE_DIR=/usr/include

# For the target alone: a compiler's plug-ins cannot be static.
flags=CARGO_TARGET_$(echo "$triple" | tr a-z- A-Z_)_RUSTFLAGS
export "$flags=-C target-feature=+crt-static"
command=$1
shift
case "$command" in
  build | test) exec "${CARGO:-cargo}" "$command" --release --target "$triple" "$@" ;;
  bench) exec "${CARGO:-cargo}" bench --target "$triple" "$@" ;;
  *) echo "usage: $0 build|bench|test|triple ARGS…" >&2; exit 2 ;;
esac
