#!/usr/bin/env bash
# How much of the code the unit and property tests reach, by file; a page a file in target/coverage/html.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! ls "$(rustc --print sysroot)"/lib/rustlib/*/bin/llvm-profdata >/dev/null 2>&1; then
  rustup component add llvm-tools
fi
out=${CARGO_TARGET_DIR:-target}/coverage
deploy/tool.sh cargo-llvm-cov llvm-cov --workspace --exclude tests --locked --lib --tests --html --output-dir "$out" "$@"
deploy/tool.sh cargo-llvm-cov llvm-cov report --ignore-filename-regex '/(tests|bench|fuzz)/' | grep -v '100.00%.*100.00%.*100.00%'
