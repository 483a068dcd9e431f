#!/usr/bin/env bash
# Every test of the workspace. End-to-end tests drive the binary that this builds.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --locked --workspace --all-targets
export ALLOD_BIN="$target/debug/allod"
cargo test --locked --workspace
# What people share, once more with SpiceDB as the engine, where there is one (see deploy/with-spicedb.sh).
if [ -n "${ALLOD_TEST_SPICEDB:-}" ]; then
  ALLOD_TEST_ENGINE=spicedb cargo test --locked --workspace --test e2e -- sharing told_before
fi

# Whatever the API describes, asked rightly and wrongly (some two minutes).
tests/schemathesis/run.sh

# Clients that others wrote sign in (a quarter of a minute).
tests/clients/run.sh

# The pages in a browser. Chromium is Debian's package, or what CHROMIUM names.
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  (cd tests/browser && npm ci --no-audit --no-fund --loglevel=error && npm test --silent)
else
  echo "browser tests are skipped: there is no ${CHROMIUM:-/usr/bin/chromium}"
fi
