#!/usr/bin/env bash
# Checks for the Debian packages that a make target needs, installs them as root on Debian, else names them.
# usage: deploy/packages.sh build|test
set -euo pipefail

case "${1:?build or test}" in
  build) packages=(gcc libssl-dev pkg-config make) ;;
  test) packages=(gcc libssl-dev pkg-config make postgresql strace chromium python3 python3-venv curl) ;;
  *) echo "usage: $0 build|test" >&2; exit 2 ;;
esac

for tool in cargo node npm; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (Rust 1.95 or newer from rustup; Node.js 20 or newer)" >&2; exit 1; }
done

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ]; then
      echo "installing: ${missing[*]}" >&2
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
    else
      echo "missing packages: run  sudo apt-get install ${missing[*]}" >&2
      exit 1
    fi
  fi
else
  echo "not Debian: make sure you have a C compiler, OpenSSL's headers and pkg-config${1:+ (for tests: PostgreSQL, strace and Chromium)}" >&2
fi
