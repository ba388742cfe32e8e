#!/usr/bin/env python3
"""tests/tuner/stop_run.py QUERN — budgets, Ctrl-C and SIGTERM end what runs, keeping what is done; unfinished is not done; memory stays small."""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching

quern = os.path.abspath(sys.argv[1])
check = Checks()
# What is promised, and what a machine that others use too may add.
PROMISED, SLACK = 2.0, 4.0
BIG = ["matmul", "m=2048", "n=2048", "k=2048"]


def start(arguments, folder):
    return subprocess.Popen([quern] + arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=caching(os.path.join(folder, "cache")))


def finished(process):
    """What it wrote; it has a minute."""
    try:
        return process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def signalled(arguments, folder, after, which):
    """A signal after so many seconds: its status, soon."""
    process = start(arguments, folder)
    time.sleep(after)
    sent = time.monotonic()
    process.send_signal(which)
    _, err = finished(process)
    took = time.monotonic() - sent
    name = " ".join(arguments)
    check(process.returncode == 128 + which, f"{name}: status {process.returncode} after {which.name}: {err[-200:]}")
    check(took < PROMISED + SLACK, f"{name}: {took:.1f} s after {which.name}")
    check("interrupted" in err, f"{name}: does not say that it was interrupted: {err[-200:]}")


def budgeted(arguments, folder, budget):
    process = start(arguments + ["--budget", f"{budget}s"], folder)
    began = time.monotonic()
    out, err = finished(process)
    took = time.monotonic() - began
    name = " ".join(arguments)[:100]
    check(process.returncode == 0, f"{name}: status {process.returncode}: {err[-200:]}")
    check(took < budget + max(1, budget / 10) + SLACK, f"{name}: {took:.1f} s of a budget of {budget} s")
    return out, err


with tempfile.TemporaryDirectory() as folder:
    none = ["--cache", "none"]
    signalled(["tune"] + BIG + none, folder, 1.5, signal.SIGINT)
    signalled(["tune"] + BIG + ["--budget", "60s"] + none, folder, 0.7, signal.SIGTERM)
    signalled(["verify", "--suite", "transformer-f32"] + none, folder, 1.5, signal.SIGINT)
    signalled(["verify", "exp", "x=*", "--exhaustive"] + none, folder, 1.5, signal.SIGINT)
    signalled(["bench"] + BIG + none, folder, 1.5, signal.SIGINT)
    signalled(["bench", "--baseline", "smallmind"] + none, folder, 2, signal.SIGTERM)
    signalled(["cpu", "--measure"], folder, 0.3, signal.SIGINT)

    out, err = budgeted(["tune"] + BIG + none, folder, 1)
    terms = "+".join(f"gelu_erf(a)*{i}" for i in range(1, 250))
    out, err = budgeted(["tune", "map", f"expr={terms}", "a=100000"] + none, folder, 1)
    out, err = budgeted(["tune"] + BIG + none, folder, 0.01)
    check("not reached" in out, f"an op whose default cannot be verified in time is not listed as such: {out[-300:]}")
    check("x  " not in out.split("\n")[1], f"a row that looks like a result: {out[-300:]}")
    values = ", ".join(str(i) for i in range(1, 500))
    with open(os.path.join(folder, "wide.toml"), "w", encoding="utf-8") as file:
        file.write("[space.matmul]\n" + "".join(f"{key} = [{values}]\n" for key in ("mr", "nr", "mc", "kc", "nc", "unroll_k", "prefetch", "panel")))
    out, err = budgeted(["tune", "matmul", "m=256", "n=256", "k=256", "--space", "./wide.toml"] + none, folder, 1)
    check(f"{499 ** 8} combinations" in err, f"the size of the space is not said: {err[-300:]}")

    # Cut short is not done: the same command goes on.
    with open(os.path.join(folder, "suite.toml"), "w", encoding="utf-8") as file:
        file.write('[[op]]\ntext = "matmul m=128 n=768 k=768 const=b"\n[[op]]\ntext = "matmul m=2048 n=2048 k=2048"\n')
    again = ["tune", "--suite", "./suite.toml", "--effort", "patient"]
    first, err = budgeted(again, folder, 1)
    check("cut short" in first or "not reached" in first, f"a patient search in a second is called done: {first}")
    check("2 of 2 ops tuned" not in err and "the same command goes on" in err, f"what is left is not said: {err}")
    second, err = budgeted(again, folder, 1)
    check("tuned before" not in second, f"cut short, and called done: {second}")

    # What small things take of memory, beside the program and its code generator.
    most = 200
    for arguments in (["cpu", "--measure"], ["bench", "softmax", "x=8x64"] + none):
        process = start(arguments, folder)
        process.stdout.close(), process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        check(usage.ru_maxrss / 1024 < most, f"{' '.join(arguments)}: {usage.ru_maxrss / 1024:.0f} MiB, at most {most}")

check.finish(30)
