#!/usr/bin/env bash
# Asks a node whatever its own description (`/openapi.json`) has, rightly and wrongly, from a fixed seed: it finds no 500,
# and no answer that is not described. First as the operator, then as a person. Where schemathesis cannot be installed,
# it says so and skips.
# usage: tests/schemathesis/run.sh [more options of `schemathesis run`]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
allod=${ALLOD_BIN:-$target/debug/allod}

# One environment for each set of versions; `whole` stands in it when all of it is there.
venv="$target/schemathesis/$(sha256sum "$here/requirements.txt" | cut -c1-16)"
if [ ! -e "$venv/whole" ]; then
  echo "installing schemathesis for tests" >&2
  rm -rf "$venv"
  if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2; then
    touch "$venv/whole"
  else
    echo "schemathesis is skipped: it cannot be installed (it needs python3 with venv, and PyPI)" >&2
    exit 0
  fi
fi

dir=$(mktemp -dt allod-schemathesis.XXXXXX)
node=
cleanup() { if [ -n "$node" ]; then kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; fi; rm -rf "$dir"; }
trap cleanup EXIT
(umask 077; printf 'correct horse battery staple' >"$dir/password")
"$allod" init --json --data "$dir/node" --owner alice --password-file "$dir/password" >/dev/null
"$allod" serve --json --data "$dir/node" --listen 127.0.0.1:0 >"$dir/ready" 2>"$dir/log" &
node=$!
for _ in $(seq 300); do [ -s "$dir/ready" ] && break; kill -0 "$node" || { cat "$dir/log" >&2; exit 1; }; sleep 0.1; done
url=$(python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["url"])' <"$dir/ready")
"$allod" client schema add - --data "$dir/node" >/dev/null <<<'type Contact { name: String phone: String }'
session=$(curl -sS "$url/api/v1/session" -H 'content-type: application/json' \
  -d '{"user":"alice","password":"correct horse battery staple"}' \
  | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')

checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,unsupported_method,allow_header_conformance
# It would end the node, wait as long as it is told, or end the session that it asks with.
left_out=()
for operation in post_stop post_sync_wait delete_session delete_sessions; do left_out+=(--exclude-operation-id "$operation"); done
ask() {
  local token=$1; shift
  (cd "$dir" && "$venv/bin/schemathesis" run "$url/openapi.json" --header "Authorization: Bearer $token" --seed 1 \
    --checks "$checks" "${left_out[@]}" --phases examples,coverage,fuzzing --continue-on-failure --warnings off \
    --no-color --generation-database none --suppress-health-check all "$@")
}
status=0
ask "$(cat "$dir/node/local.token")" --max-examples 8 "$@" || status=$?
ask "$session" --max-examples 4 --include-path-regex '^/api/v1/' "$@" || status=$?
kill -0 "$node" || { echo "the node has ended" >&2; tail -20 "$dir/log" >&2; status=1; }
if grep -q 'panicked at' "$dir/log"; then echo "the node panicked" >&2; grep -A3 'panicked at' "$dir/log" >&2; status=1; fi
exit $status
