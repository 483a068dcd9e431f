#!/usr/bin/env bash
# Takes the debug symbols out of a binary and lays them beside it, as BINARY.debug, where debuggers look for them.
set -euo pipefail
binary=$1
if ! command -v objcopy >/dev/null; then
  echo "objcopy (binutils) is missing: $binary keeps its debug symbols" >&2
  exit 0
fi
# Not in place: what cargo keeps under another name is the same file.
objcopy --only-keep-debug "$binary" "$binary.debug.new"
objcopy --strip-debug --strip-unneeded "$binary" "$binary.new"
mv "$binary.debug.new" "$binary.debug"
objcopy --add-gnu-debuglink="$binary.debug" "$binary.new"
chmod 755 "$binary.new"
mv "$binary.new" "$binary"
