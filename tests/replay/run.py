#!/usr/bin/env python3
"""tests/replay/run.py QUERN OUT.txt [--against OLD.txt] [--cpu A,B,...] — hashes what is emitted for every suite and for corpus.toml,
for CPUs of x86-64 for corpus-x86.toml too, and for corpus-CPU.toml where a CPU has one.

One line an object: CPU, op, schedule, SHA-256 of its code, constants and relocations (names left out: they carry the program's
version). With --against a line for each that is another, and status 1. A change that must not touch a kernel is held against its parent:

  tests/replay/run.py OLD/build/tools/quern old.txt; tests/replay/run.py build/tools/quern new.txt --against old.txt
"""
import argparse
import glob
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
CPUS = "haswell,x86-64,skylake-avx512,sapphirerapids,neoverse-v1"


def code_of(path):
    """SHA-256 of the sections that are loaded, and of the relocations, of a 64-bit little-endian ELF object."""
    data = open(path, "rb").read()
    table, = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    digest = hashlib.sha256()
    for i in range(count):
        _, kind, flags, _, offset, length = struct.unpack_from("<IIQQQQ", data, table + i * size)
        allocated, relocations, empty = flags & 2, kind == 4, kind == 8
        if (allocated or relocations) and not empty:
            digest.update(struct.pack("<IQ", kind, length) + data[offset:offset + length])
    return digest.hexdigest()


def emitted(quern, suite, cpu):
    with tempfile.TemporaryDirectory() as folder:
        words = [quern, "emit", "--suite", suite, "--cpu", cpu, "-o", folder, "--schedule", "default", "--cache", "none", "--quiet"]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"replay: {suite} for {cpu}: status {done.returncode}: {done.stderr.strip()}")
        for root, _, names in os.walk(folder):
            if "manifest.toml" not in names:
                continue
            with open(os.path.join(root, "manifest.toml"), "rb") as file:
                for kernel in tomllib.load(file)["kernel"]:
                    yield kernel["op"], kernel["schedule"], code_of(os.path.join(root, kernel["object"]))


def level_of(cpu):
    with open(os.path.join(HERE, "../../configs/cpu", cpu + ".toml"), "rb") as file:
        return tomllib.load(file)["level"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("quern")
    parser.add_argument("out")
    parser.add_argument("--against", metavar="OLD.txt")
    parser.add_argument("--cpu", default=CPUS)
    given = parser.parse_args()
    lines = []
    corpora = [os.path.join(HERE, name) for name in ("corpus.toml", "corpus-x86.toml")]
    suites = sorted(glob.glob(os.path.join(HERE, "../../configs/suites/*.toml"))) + corpora
    for cpu in given.cpu.split(","):
        for suite in suites + glob.glob(os.path.join(HERE, f"corpus-{cpu}.toml")):
            if suite.endswith("-x86.toml") and not level_of(cpu).startswith("x86-64"):
                continue
            print(f"replay: {os.path.basename(suite)} for {cpu}", file=sys.stderr)
            lines += [f"{cpu}\t{op}\t{schedule}\t{code}\n" for op, schedule, code in emitted(given.quern, suite, cpu)]
    lines = sorted(set(lines))
    with open(given.out, "w", encoding="utf-8") as file:
        file.writelines(lines)
    if given.against is None:
        return
    before, after = ({tuple(line.split("\t")[:3]): line.split("\t")[3] for line in side} for side in (open(given.against, encoding="utf-8"), lines))
    others = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
    for key in others:
        print("\t".join(key), "another" if key in before and key in after else "gone" if key in before else "new", sep="\t")
    print(f"replay: {len(after)} objects, {len(others)} differ", file=sys.stderr)
    sys.exit(1 if others or not after else 0)


if __name__ == "__main__":
    main()
