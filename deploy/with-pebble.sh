#!/usr/bin/env bash
# Runs a command with Pebble at hand, an ACME authority for tests: each test runs its own. The command finds the folder
# with `pebble` and `pebble-challtestsrv` in ALLOD_TEST_PEBBLE. If the variable is already set, those are used; else they
# are built from the Go module proxy, once. Where that cannot be, the command runs without, and the tests that need them
# say that they skip.
set -euo pipefail
if [ -n "${ALLOD_TEST_PEBBLE:-}" ]; then exec "$@"; fi

here=$(cd "$(dirname "$0")/.." && pwd)
version=v2.10.3
cache=${CARGO_TARGET_DIR:-$here/target}/pebble/$version

build() {
  local go dir
  go=$(command -v go || command -v /usr/local/go/bin/go || true)
  if [ -z "$go" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq golang-go >/dev/null && go=$(command -v go || true)
  fi
  [ -n "$go" ] || { echo "no Pebble for tests: there is no Go" >&2; return 1; }
  mkdir -p "$cache"
  dir=$(mktemp -d "$cache/build.XXXXXX")
  echo "building Pebble for tests ($version)" >&2
  # The checksums of Go's database hold what is fetched to what everybody gets.
  GOBIN=$dir "$go" install "github.com/letsencrypt/pebble/v2/cmd/pebble@$version" \
    "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@$version" >"$dir/log" 2>&1 \
    || { tail -5 "$dir/log" >&2; rm -rf "$dir"; return 1; }
  mv "$dir/pebble-challtestsrv" "$dir/pebble" "$cache/"
  rm -rf "$dir"
}

if [ ! -x "$cache/pebble" ] || [ ! -x "$cache/pebble-challtestsrv" ]; then
  build || { echo "no Pebble for tests; those of ACME run without" >&2; exec "$@"; }
fi
ALLOD_TEST_PEBBLE=$cache exec "$@"
