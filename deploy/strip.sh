#!/usr/bin/env bash
# Makes of a binary the one that is shipped, without debug symbols, and lays these beside it, as TO.debug, where debuggers
# look for them.
# usage: deploy/strip.sh BUILT TO
set -euo pipefail
built=${1:?a binary} to=${2:?where to}
mkdir -p "$(dirname "$to")"
# What runs is not written into: it is replaced.
if ! command -v objcopy >/dev/null; then
  echo "objcopy (binutils) is missing: $to keeps its debug symbols" >&2
  cp "$built" "$to.new"
else
  objcopy --only-keep-debug "$built" "$to.debug.new"
  objcopy --strip-debug --strip-unneeded "$built" "$to.new"
  mv "$to.debug.new" "$to.debug"
  objcopy --add-gnu-debuglink="$to.debug" "$to.new"
fi
chmod 755 "$to.new"
mv "$to.new" "$to"
