#!/usr/bin/env python3
"""tests/cli/perf_map.py QUERN QUERN-RUN — with QUERN_PERF_MAP=1 profilers find kernels by name, compiled, from the cache or from a bundle."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, write

quern, alone = (os.path.abspath(path) for path in sys.argv[1:3])
check = Checks()


def named(*words, wanted=True):
    """The lines that a process leaves."""
    env = {**caching("cache"), "QUERN_PERF_MAP": "1" if wanted else "0"}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)
    said = process.communicate(timeout=120)[1]
    check(process.returncode == 0 and "warning" not in said, f"{words}: {process.returncode} {said}")
    path = f"/tmp/perf-{process.pid}.map"
    if not os.path.exists(path):
        return []
    check(os.stat(path).st_mode & 0o777 == 0o600, "others can read or write it")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    os.unlink(path)
    return lines


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    write("x.npy", npy([i * 0.01 for i in range(128)], (4, 32)))
    words = ["softmax", "x.npy", "-o", "y.npy", "--quiet"]
    check.run(quern, "emit", "softmax", "x=4x32", "-o", "bundle", env=caching("cache"))
    sizes = set()
    for program, more in ((quern, []), (quern, []), (alone, ["--bundle", "bundle"])):  # compiled, cache, bundle
        lines = named(program, "eval", *words, *more)
        found = [re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) quern softmax x=4x32 \| (lanes=.*)", line) for line in lines]
        check(len(lines) == 1 and found[0], lines)
        if found and found[0]:
            sizes.add(int(found[0][2], 16))
            check(int(found[0][1], 16) > 0x10000, lines)
    check(len(sizes) == 1 and 100 < min(sizes) < 100_000, f"bytes of one kernel's code: {sizes}")
    check(named(quern, "eval", *words, wanted=False) == [], "a file that nobody asked for")
    os.chdir("/")
check.finish(12)
