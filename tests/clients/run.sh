#!/usr/bin/env bash
# Clients that others wrote sign in at a node: npm openid-client and oidc-client-ts, and PyPI authlib. Where one of them
# cannot be installed, it says so and leaves it out.
# usage: tests/clients/run.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
export ALLOD_BIN=${ALLOD_BIN:-$target/debug/allod}

# One environment for each set of versions; `whole` stands in it when all of it is there.
venv="$target/clients/$(sha256sum "$here/requirements.txt" | cut -c1-16)"
if [ ! -e "$venv/whole" ]; then
  rm -rf "$venv"
  if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2; then
    touch "$venv/whole"
  else
    echo "authlib is skipped: it cannot be installed (it needs python3 with venv, and PyPI)" >&2
  fi
fi
cd "$here"
if ! npm ci --no-audit --no-fund --loglevel=error >&2; then
  echo "the clients are skipped: they cannot be installed (they need npm, and its registry)" >&2
  exit 0
fi
if [ -e "$venv/whole" ]; then node clients.mjs "$venv/bin/python" authlib_client.py; else node clients.mjs; fi
