#!/usr/bin/env bash
# Makes the container image of a static binary, and beside it the list of what the binary is made of (CycloneDX). With
# ALLOD_SIGNING_KEY, a private key in PEM, that list, which names the binary by its SHA-256, is signed.
# usage: deploy/image.sh BINARY FOLDER [TAG…]       without an engine the context is made, and nothing more
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:?a binary} folder=${2:?where to}
shift 2
triple=$(deploy/release.sh triple)
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
tags=("$@")
[ ${#tags[@]} -gt 0 ] || tags=("allod:$version" allod:latest)

if readelf -l "$binary" | grep -q 'Requesting program interpreter'; then
  echo "$binary is not static: in an empty image it would not run (make build makes it so)" >&2
  exit 1
fi
authorities=/etc/ssl/certs/ca-certificates.crt
[ -s "$authorities" ] || { echo "there is no $authorities (Debian: ca-certificates): the node would know no authority" >&2; exit 1; }

context=$folder/context
rm -rf "$context"
install -Dm755 "$binary" "$context/root/allod"
install -Dm644 "$authorities" "$context/root/etc/ssl/certs/ca-certificates.crt"
install -d -m700 "$context/node/data"
cp deploy/Dockerfile "$context/Dockerfile"

list=$folder/allod.cdx.json
deploy/sbom.py "$binary" "$triple" >"$list"
if [ -n "${ALLOD_SIGNING_KEY:-}" ]; then
  openssl pkeyutl -sign -rawin -inkey "$ALLOD_SIGNING_KEY" -in "$list" -out "$list.sig"
  echo "signed: $list.sig"
fi

engine=${ALLOD_ENGINE:-docker}
if ! "$engine" version >/dev/null 2>&1; then
  echo "no container engine answers ($engine): what the image is to be made of lies in $context" >&2
  exit 1
fi
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
for tag in "${tags[@]}"; do arguments+=(--tag "$tag"); done
"$engine" build --quiet "${arguments[@]}" "$context"
printf 'image: %s\n' "${tags[@]}"
