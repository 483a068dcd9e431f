#!/usr/bin/env bash
# Every test of the workspace. End-to-end tests drive the binary that this builds.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --locked --workspace --all-targets
export ALLOD_BIN="$target/debug/allod"
cargo test --locked --workspace
