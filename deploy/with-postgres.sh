#!/usr/bin/env bash
# Runs a command beside a PostgreSQL cluster of its own, on a socket in a temporary directory, thrown away afterwards.
# The command finds it in ALLOD_TEST_POSTGRES. If the variable is already set, that server is used.
set -euo pipefail
if [ -n "${ALLOD_TEST_POSTGRES:-}" ]; then exec "$@"; fi

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)") || { echo "PostgreSQL is not installed" >&2; exit 1; }

dir=$(mktemp -d /tmp/allod-pg.XXXXXX)
port=$(( 18000 + RANDOM % 7000 ))
run=()
if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; run=(runuser -u postgres --); fi
# PostgreSQL refuses to run as root, so as root everything of it runs as its own user.
cleanup() { (cd / && "${run[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1) || true; rm -rf "$dir"; }
trap cleanup EXIT
(
  cd /
  "${run[@]}" "$bin/initdb" -D "$dir/data" -U allod -A trust -E UTF8 --no-sync >/dev/null
  "${run[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-p $port -k $dir -h 127.0.0.1 -c max_connections=200 -c fsync=off" start >/dev/null
)
export ALLOD_TEST_POSTGRES="postgres://allod@127.0.0.1:$port/postgres"
"$@"
