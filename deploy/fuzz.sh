#!/usr/bin/env bash
# libFuzzer on each target for a while, by turns. What it finds goes into tests/fuzz/corpus/TARGET, where every test run
# replays it; a crash is kept as tests/fuzz/corpus/TARGET/crash-… and ends the run.
# usage: deploy/fuzz.sh SECONDS [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?seconds a target}
shift
root=tests/fuzz/corpus
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  mapfile -t targets < <(grep -rhoE 'name: "[a-z-]+"' tests/fuzz/src/targets | cut -d'"' -f2)
fi

# Coverage for libFuzzer, on the stable compiler; no sanitizer, since nothing of ours is unsafe.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
flags="$flags -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks"
target=${CARGO_TARGET_DIR:-target}/fuzz
export RUSTFLAGS="$flags"
cargo build --locked --release --quiet --target "$host" --target-dir "$target" -p tests-fuzz --features libfuzzer --bin fuzz

for name in "${targets[@]}"; do
  echo "== $name" >&2
  mkdir -p "$root/$name" "$target/corpus/$name"
  # New inputs go into a folder of the machine's; the least of them that reach all that was reached are kept.
  FUZZ_TARGET=$name "$target/$host/release/fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -artifact_prefix="$root/$name/" -print_final_stats=1 "$target/corpus/$name" "$root/$name" 2>&1 \
    | grep -E '^(stat::|.*(ERROR|SUMMARY|panicked|Test unit written))' || true
  if compgen -G "$root/$name/crash-*" >/dev/null || compgen -G "$root/$name/timeout-*" >/dev/null || compgen -G "$root/$name/oom-*" >/dev/null; then
    echo "$name was broken: see $root/$name" >&2
    exit 1
  fi
done
