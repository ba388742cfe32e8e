#!/usr/bin/env python3
"""tests/cli/perf_map.py QUERN QUERN-RUN — with QUERN_PERF_MAP=1 profilers find kernels by name, compiled, from the cache or from a bundle, and
their code; GDB finds the names without."""
import os
import re
import shutil
import struct
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
        check(not os.path.exists(f"/tmp/jit-{process.pid}.dump"), "a dump that nobody asked for")
        return [], []
    check(os.stat(path).st_mode & 0o777 == 0o600, "others can read or write it")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    os.unlink(path)
    return lines, dumped(process.pid)


def dumped(pid):
    """The records of a jitdump file, as perf's specification has them: (name, address, code)."""
    path = f"/tmp/jit-{pid}.dump"
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    magic, version, head, machine, _, owner, _, flags = struct.unpack_from("<6I2Q", data)
    check((magic, version, head, owner, flags) == (0x4A695444, 1, 40, pid, 0) and machine in (62, 183), "the head of the dump")
    records, at = [], head
    while at < len(data):
        kind, size, _, process, _, address, code_address, bytes_, index = struct.unpack_from("<2IQ2I4Q", data, at)
        check(kind == 0 and process == pid and address == code_address and index == len(records), "a record of the dump")
        name = data[at + 56:data.index(0, at + 56)]
        check(size == 56 + len(name) + 1 + bytes_, "a record's bytes")
        records.append((name.decode(), address, data[at + size - bytes_:at + size]))
        at += size
    return records


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    write("x.npy", npy([i * 0.01 for i in range(128)], (4, 32)))
    words = ["softmax", "x.npy", "-o", "y.npy", "--quiet"]
    check.run(quern, "emit", "softmax", "x=4x32", "-o", "bundle", env=caching("cache"))
    sizes, codes = set(), set()
    for program, more in ((quern, []), (quern, []), (alone, ["--bundle", "bundle"])):  # compiled, cache, bundle
        lines, records = named(program, "eval", *words, *more)
        found = [re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) quern softmax x=4x32 \| (lanes=.*)", line) for line in lines]
        check(len(lines) == 1 and found[0], lines)
        if found and found[0]:
            sizes.add(int(found[0][2], 16))
            check(int(found[0][1], 16) > 0x10000, lines)
            check([(lines[0].split(" ", 2)[2], int(found[0][1], 16), int(found[0][2], 16))] == [(name, at, len(code)) for name, at, code in records], lines)
            codes.add(records[0][2][:16])  # before what depends on where its constants are
    check(len(sizes) == 1 and 100 < min(sizes) < 100_000, f"bytes of one kernel's code: {sizes}")
    check(len(codes) == 1 and any(min(codes)), "the beginning of one kernel's code, three times")
    check(named(quern, "eval", *words, wanted=False) == ([], []), "a file that nobody asked for")
    if shutil.which("gdb"):
        script = ["set debuginfod enabled off", "tbreak quern::writeNpy", "run", "info functions quern softmax"]
        said = subprocess.run(["gdb", "-q", "-nx", "-batch", *(f"-ex={line}" for line in script), "--args", quern, "eval", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=caching("cache")).stdout
        if "ptrace" in said or "not permitted" in said:
            print("skipped: GDB may not trace here")
        else:
            check(re.search(r"0x0*[0-9a-f]+  quern softmax x=4x32 \| lanes=", said) is not None, said)
    else:
        print("skipped: no gdb")
    os.chdir("/")
check.finish(24)
