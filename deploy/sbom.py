#!/usr/bin/env python3
"""What a binary is made of: CycloneDX 1.5, from what cargo resolved, and what is linked in from the distribution.
usage: deploy/sbom.py BINARY TRIPLE > sbom.json"""

import hashlib
import json
import subprocess
import sys

binary, triple = sys.argv[1:3]


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


meta = json.loads(said("cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", triple))
packages = {package["id"]: package for package in meta["packages"]}
edges = {node["id"]: node["deps"] for node in meta["resolve"]["nodes"]}
root = next(package for package in meta["packages"] if package["name"] == "gateway")

checksums = {}
for entry in open("Cargo.lock").read().split("[[package]]")[1:]:
    values = dict(line.split(" = ", 1) for line in entry.strip().splitlines() if " = " in line)
    if "checksum" in values:
        checksums[values["name"].strip('"'), values["version"].strip('"')] = values["checksum"].strip('"')

# What runs on the machine that builds is not in the binary.
inside, waiting = set(), [root["id"]]
while waiting:
    one = waiting.pop()
    if one in inside or any("proc-macro" in target["kind"] for target in packages[one]["targets"]):
        continue
    inside.add(one)
    waiting += [dep["pkg"] for dep in edges[one] if any(kind["kind"] is None for kind in dep["dep_kinds"])]


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package):
    shown = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"],
             "purl": purl(package)}
    if package["license"]:
        shown["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        shown["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return shown


def linked(name, package):
    try:
        version = said("dpkg-query", "-W", "-f=${Version}", package).strip()
    except (OSError, subprocess.CalledProcessError):
        version = "unknown"
    return {"type": "library", "bom-ref": f"pkg:deb/debian/{package}@{version}", "name": name, "version": version,
            "purl": f"pkg:deb/debian/{package}@{version}"}


def refs(id):
    return sorted({purl(packages[dep["pkg"]]) for dep in edges[id] if dep["pkg"] in inside})


native = [linked("glibc", "libc6-dev"), linked("OpenSSL libcrypto", "libssl-dev")]
with open(binary, "rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
json.dump({
    "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
    "metadata": {"component": {
        "type": "application", "bom-ref": "allod", "name": "allod", "version": root["version"],
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "properties": [{"name": "target", "value": triple}, {"name": "compiler", "value": said("rustc", "-V").strip()}],
    }},
    "components": sorted((component(packages[id]) for id in inside), key=lambda c: c["bom-ref"]) + native,
    "dependencies": [{"ref": "allod", "dependsOn": [purl(root)] + [c["bom-ref"] for c in native]}]
    + [{"ref": purl(packages[id]), "dependsOn": refs(id)} for id in sorted(inside)],
}, sys.stdout, indent=1)
print()
