#!/usr/bin/env python3
"""tests/cli/emulated.py QUERN MAKER QUERN-RUN — what a wide machine made meets narrow CPUs, as qemu-user has them: caches and bundles are
refused by name or their narrower part is taken, with the bits that this machine has there; never an illegal instruction. Skipped without
qemu-x86_64."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, ran, write

quern, maker, alone = (os.path.abspath(path) for path in sys.argv[1:4])
check = Checks()
# Of qemu's, and what a user of Quern calls the widest that they contain.
NARROW = {"Haswell": "haswell", "Nehalem": "x86-64"}


def run(*words, status=0, on=None):
    emulator = ["qemu-x86_64", "-cpu", on] if on else []
    return check.run(*emulator, *words, status=status, env=caching("cache"))


def content(path):
    with open(path, "rb") as file:
        return file.read()


def logits(program, *flags, on=None):
    run(program, "logits", "-m", "q4_0.gguf", "--ids", "1,2,3,40,5", "-o", "l.npy", "--quiet", *flags, on=on)
    return content("l.npy")


def bundles():
    check.run(maker, "tiny", "--type", "q4_0", "-o", "q4_0.gguf")
    run(quern, "emit", "-m", "q4_0.gguf", "-o", "wide")
    run(quern, "emit", "-m", "q4_0.gguf", "-o", "both", "--cpu", "host,haswell,x86-64", "--weights")
    run(quern, "emit", "softmax", "x=4x32", "-o", "op", "--cpu", "host,haswell,x86-64")
    for emulated, name in NARROW.items():
        said = run(alone, "generate", "-m", "q4_0.gguf", "--bundle", "wide", "-p", "a", "-n", "1", on=emulated, status=4).stderr
        check("wide: has no kernels that this CPU (host) runs" in said and "avx512f" in said, said)
        here = logits(alone, "--bundle", "both", "--cpu", name)
        check(logits(alone, "--bundle", "both", on=emulated) == here, f"{emulated}: other bits than --cpu {name} has")
        said = [run(alone, "generate", "--bundle", "both", "-p", "a word", "-n", "5", "--seed", "3", *flags, on=on).stdout
                for flags, on in (([], emulated), (["--cpu", name], None))]
        check(said[0] == said[1] and said[0].strip(), f"{emulated}: {said}")
        run(alone, "eval", "softmax", "x.npy", "-o", "there.npy", "--bundle", "op", on=emulated)
        run(alone, "eval", "softmax", "x.npy", "-o", "here.npy", "--bundle", "op", "--cpu", name)
        check(content("there.npy") == content("here.npy"), f"{emulated}: another softmax than --cpu {name} has")


def caches():
    run(quern, "eval", "softmax", "x.npy", "-o", "wide.npy")
    before = content("wide.npy")
    for emulated, name in NARROW.items():
        said = run(quern, "cache", "list", on=emulated).stdout
        check("refused: needs " in said and "avx512f" in said, said)
        said = run(quern, "cache", "verify", on=emulated).stdout
        check("not run" in said and "WRONG" not in said, said)
        run(quern, "eval", "softmax", "x.npy", "-o", "there.npy", on=emulated)
        run(quern, "eval", "softmax", "x.npy", "-o", "here.npy", "--cpu", name)
        check(content("there.npy") == content("here.npy"), f"{emulated}: another softmax than --cpu {name} has")
    run(quern, "eval", "softmax", "x.npy", "-o", "wide.npy")
    check(content("wide.npy") == before, "narrow kernels took the place of the wide one")


if shutil.which("qemu-x86_64") is None:
    print("skipped: qemu-x86_64 is not here (apt install qemu-user)")
    sys.exit(77)
features = ran(quern, "cpu").stdout
if "avx512f" not in features:
    print("skipped: this CPU has nothing that a Haswell lacks")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    write("x.npy", npy([i * 0.01 for i in range(128)], (4, 32)))
    bundles()
    caches()
check.finish(40)
