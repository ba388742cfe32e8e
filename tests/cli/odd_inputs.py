#!/usr/bin/env python3
"""tests/cli/odd_inputs.py QUERN — pipes, devices, folders, endless files where a file is expected; streams where they are meant."""
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, ran, write

quern = os.path.abspath(sys.argv[1])
check = Checks()


def run(folder, words, status, message=None, give=None, out=None):
    """One command in `folder`: its status, and the end of its last line on stderr."""
    try:
        done = ran(quern, *words, cwd=folder, give=give, text=False, timeout=60, env=caching(os.path.join(folder, "cache")))
    except subprocess.TimeoutExpired:
        check(False, f"quern {' '.join(words)}: hangs")
        return
    said = done.stderr.decode().strip().split("\n")[-1]
    good = done.returncode == status and (message is None or said == f"quern: {message}")
    check(good, f"quern {' '.join(words)}: {done.returncode} {said}\n  expected {status} {message}")
    if out is not None and out not in done.stdout:
        check.wrong(f"quern {' '.join(words)}: printed {done.stdout[:80]}")


with tempfile.TemporaryDirectory() as folder:
    def path(name):
        return os.path.join(folder, name)

    make = {
        "pipe": os.mkfifo,
        "dir": os.mkdir,
        "sock": lambda at: socket.socket(socket.AF_UNIX).bind(at),
        "link": lambda at: os.symlink(path("pipe.toml"), at),
        "loop": lambda at: os.symlink(at, at),
        "zero": lambda at: os.symlink("/dev/zero", at),
        "full": lambda at: os.symlink("/dev/full", at),
        "random": lambda at: os.symlink("/dev/random", at),
        "huge": lambda at: (open(at, "wb").close(), os.truncate(at, 1 << 41)),
        "none": lambda at: None,
    }
    for kind, maker in make.items():
        for ending in ("toml", "npy"):
            maker(path(f"{kind}.{ending}"))
    write(path("x.npy"), npy([1, 2, 3, 4]))
    device = "is a device, a regular file is needed"
    odd = {
        "pipe": "is a pipe, a regular file is needed",
        "link": "is a pipe, a regular file is needed",
        "sock": "is a socket, a regular file is needed",
        "dir": "is a directory",
        "loop": "Too many levels of symbolic links",
        "none": "No such file or directory",
        "zero": device,
        "full": device,
        "random": device,
        "huge": "has more than {}, the most that is read of such a file",
    }
    for kind, why in odd.items():
        text = why.format("1.00 GiB")
        run(folder, ["show", f"{kind}.toml"], 3, f"{kind}.toml: {why.format('64.00 MiB')}")
        run(folder, ["cache", "import", f"{kind}.npy"], 3, f"{kind}.npy: {text}")
        run(folder, ["show", "softmax", "x=4x8", "--stage", "llvm", "--loops", f"{kind}.npy"], 3, f"{kind}.npy: {text}")
        if kind != "huge":  # an array may be large: memory is its limit
            run(folder, ["eval", "softmax", f"{kind}.npy", "-o", "y.npy"], 3, f"{kind}.npy: {why}")

    # Streams that this process was started with are meant.
    run(folder, ["eval", "softmax", "x.npy", "-o", "y.npy"], 0)
    run(folder, ["cache", "export", "all.qks"], 0)
    with open(path("all.qks"), "rb") as file:
        exported = file.read()
    for stream in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        run(folder, ["cache", "import", stream], 0, give=exported, out=b"1 kernels read")
    run(folder, ["cache", "import", "/dev/fd/77"], 3, "/dev/fd/77: Bad file descriptor")
    run(folder, ["cache", "import", "/dev/zero"], 3, f"/dev/zero: {device}")
    run(folder, ["eval", "softmax", "x.npy", "-o", "/dev/null"], 0)
    run(folder, ["eval", "softmax", "x.npy", "-o", "/dev/stdout"], 0, out=b"NUMPY")
    run(folder, ["eval", "softmax", "x.npy", "-o", "pipe.npy"], 4, "pipe.npy: cannot write: nobody reads from it")
    run(folder, ["eval", "softmax", "x.npy", "-o", "/dev/full"], 4, "/dev/full: cannot write: No space left on device")

check.finish(30)
