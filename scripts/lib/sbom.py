#!/usr/bin/env python3
"""Prints what the binary is made of, as a CycloneDX 1.5 document (JSON).

usage: sbom.py TARGET…

Reads `cargo metadata` for each target: the crates that are linked in, without those that only tests or the build use. Nothing
in it depends on the machine or the hour, so that the same commit gives the same document.
"""

import hashlib
import json
import re
import subprocess
import sys
import uuid


def main(targets):
    crates = {}
    depends = {}
    for target in targets:
        metadata = json.loads(subprocess.check_output(
            ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]))
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        root = metadata["resolve"]["root"]
        for identity, needs in linked(root, nodes, packages).items():
            crates[identity] = packages[identity]
            depends.setdefault(identity, set()).update(needs)
    print(json.dumps(document(root, crates, depends, checksums()), indent=1))


def linked(root, nodes, packages):
    """The crates reached from the root by normal dependencies, with what each needs. A procedural macro is not linked in."""
    found = {}
    waiting = [root]
    while waiting:
        identity = waiting.pop()
        if identity in found:
            continue
        found[identity] = [
            need["pkg"] for need in nodes[identity]["deps"]
            if any(kind["kind"] is None for kind in need["dep_kinds"]) and not is_macro(packages[need["pkg"]])
        ]
        waiting.extend(found[identity])
    return found


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def checksums():
    """SHA-256 of each crate's archive, by name and version, from Cargo.lock."""
    with open("Cargo.lock", encoding="utf-8") as lock:
        blocks = lock.read().split("[[package]]")
    found = {}
    for block in blocks:
        fields = dict(re.findall(r'^(name|version|checksum) = "(.*)"$', block, re.MULTILINE))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def document(root, crates, depends, sums):
    components = [component(package, sums) for identity, package in crates.items() if identity != root]
    components.sort(key=lambda one: (one["name"], one["version"]))
    dependencies = [
        {"ref": purl(crates[identity]), "dependsOn": sorted(purl(crates[need]) for need in needs)}
        for identity, needs in depends.items()
    ]
    dependencies.sort(key=lambda one: one["ref"])
    itself = component(crates[root], sums)
    itself["type"] = "application"
    content = json.dumps([components, dependencies]).encode()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=hashlib.sha256(content).digest()[:16], version=5)}",
        "version": 1,
        "metadata": {"component": itself},
        "components": components,
        "dependencies": dependencies,
    }


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, sums):
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package.get("license"):
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package.get("repository"):
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
