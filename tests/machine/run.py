#!/usr/bin/env python3
"""tests/machine/run.py QUERN MAKER FAILING_MALLOC POINTS [PART...] — what the machine refuses: code, threads, stack, memory, file size, /proc. Status 0 with the right
result, or 4 with a message that says what is missing; never a signal, never 70."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, ran, write
import Sandbox

quern, maker, failing = (os.path.abspath(name) for name in sys.argv[1:4])
allocation_points = int(sys.argv[4])
expect, skipped = Checks(), []


def run(*arguments, refuse=None, program=quern, env=None, prefix=(), stdout=subprocess.PIPE):
    return ran(*prefix, program, *arguments, stdout=stdout, preexec_fn=refuse, env={**caching("cache"), **(env or {})})


def ends(done, what, statuses=(0,), says=""):
    """In one of the statuses; a refusal says why in its last line."""
    said = done.stderr.strip().split("\n")[-1] if done.stderr.strip() else ""
    good = done.returncode in statuses and (done.returncode == 0 or said.startswith("quern: ") or said.startswith("quern-maker: "))
    expect(good and says in done.stderr, f"{what}: status {done.returncode}, expected {statuses}{' and ' + repr(says) if says else ''}: {done.stderr.strip()[-300:]}")


def square(path, size):
    write(path, npy([((i * 37) % 101 - 50) / 25 for i in range(size * size)], (size, size)))


def same(first, second):
    return os.path.exists(second) and open(first, "rb").read() == open(second, "rb").read()


def possible(what, refuse):
    try:
        subprocess.run(["true"], preexec_fn=refuse, check=True, stderr=subprocess.DEVNULL)
        return True
    except (subprocess.SubprocessError, OSError):
        skipped.append(what)
        return False


def code():
    """Kernels compiled now and kernels from the cache, where memory that was written may not become code."""
    for what, refuse in (("PR_SET_MDWE", Sandbox.no_code_from_data), ("no memfd, no mprotect(PROT_EXEC)", Sandbox.no_code_from_memory)):
        if not possible(what, refuse):
            continue
        shutil.rmtree("cache", ignore_errors=True)
        for origin in ("compiled", "cached"):
            ends(run("eval", "softmax", "x.npy", "-o", "z.npy", refuse=refuse), f"{what}, {origin}: eval")
            expect(same("y.npy", "z.npy"), f"{what}, {origin}: another result")
        ends(run("verify", "add", "a=16", "b=16", "--cache", "none", refuse=refuse), f"{what}: verify")
        ends(run("bench", "add", "a=64", "b=64", "--cache", "none", refuse=refuse), f"{what}: bench")
    if not possible("no code at all", Sandbox.no_code_at_all):
        return
    for cache in ("none", os.path.abspath("cache")):
        for words in (["eval", "softmax", "x.npy", "-o", "z.npy"], ["verify", "add", "a=16", "b=16"], ["bench", "add", "a=64", "b=64"]):
            ends(run(*words, "--cache", cache, refuse=Sandbox.no_code_at_all), f"no code at all, cache {cache}: {words[0]}", (4,),
                 "this process may not make code executable")


def threads():
    """No thread and no child process is to be had."""
    if not possible("no threads", Sandbox.no_threads):
        return
    refuse = Sandbox.no_threads
    ends(run("cpu", refuse=refuse), "no threads: cpu")
    said = run("cpu", refuse=refuse).stdout
    expect("not executing" not in said and "no process can be started" in said, f"no threads: cpu says {said}")
    ends(run("eval", "softmax", "x.npy", "-o", "z.npy", "--cache", "none", refuse=refuse), "no threads: eval")
    ends(run("bench", "matmul", "m=128", "n=128", "k=128", "--threads", "2", refuse=refuse), "no threads: bench")
    ends(run("emit", "add", "a=64", "b=64", "-o", "bundle", refuse=refuse), "no threads: emit")
    ends(run("generate", "-m", "m.gguf", "--ids", "1,2,3", "-n", "3", "-t", "2", "--temp", "0", refuse=refuse), "no threads: generate")
    ends(run("bench", "-m", "m.gguf", "--prefill", "8", "--decode", "4", "--threads", "2", refuse=refuse), "no threads: bench -m", (0, 4))
    ends(run("verify", "exp", "x=*", "--exhaustive", "--help", refuse=refuse), "no threads: verify --help")
    ends(run("eval", "softmax", "x.npy", "-o", "z.npy", "--cache", "none", refuse=lambda: (Sandbox.limits(STACK=64 << 10)(), drop_root(), refuse())),
         "no threads, small stack: eval", (0, 4))


def drop_root():
    """Root may raise its limits again."""
    if os.getuid() == 0:
        os.chmod(".", 0o777)
        os.setgid(65534)
        os.setuid(65534)


def stacks():
    """ulimit -s 64, for the main thread and, as the C library hands it on, for every other."""
    for what, refuse in (("ulimit -s 64", Sandbox.limits(STACK=64 << 10)), ("ulimit -s 64, not root", lambda: (Sandbox.limits(STACK=64 << 10)(), drop_root()))):
        none = ["--cache", "none"]
        ends(run("eval", "softmax", "x.npy", "-o", "/dev/null", *none, refuse=refuse), f"{what}: eval")
        ends(run("show", "matmul", "m=64", "n=64", "k=64", "--stage", "asm", refuse=refuse), f"{what}: show")
        ends(run("show", "attention heads=4 kv_heads=2 head_dim=64 q=* kv=*", "--stage", "loops", refuse=refuse), f"{what}: show")
        ends(run("bench", "matmul", "m=128", "n=128", "k=128", "--threads", "2", *none, refuse=refuse), f"{what}: bench")
        ends(run("generate", "-m", "m.gguf", "--ids", "1,2,3", "-n", "3", "-t", "2", "--temp", "0", *none, refuse=refuse), f"{what}: generate")
        for depth in (50, 5_000):
            nested = "(" * depth + "a" + ")" * depth
            ends(run("show", f"map expr={nested} a=4", refuse=refuse), f"{what}: {depth} brackets", (0, 2))


def fileSizes():
    """ulimit -f: a write over the limit is an error with the file's name."""
    cap = Sandbox.limits(FSIZE=1024)
    shutil.rmtree("cache", ignore_errors=True)
    ends(run("eval", "softmax", "small.npy", "-o", "z.npy", refuse=cap), "ulimit -f: eval goes on without its cache")
    out = [(["eval", "softmax", "x.npy", "-o", "z.npy"], "z.npy"), (["show", "softmax", "x=64x64", "--stage", "asm"], "stdout"),
           (["emit", "add", "a=64", "b=64", "-o", "bundle2"], ""), (["logits", "-m", "m.gguf", "--ids", "1,2,3", "-o", "l.npy"], "l.npy"),
           (["cache", "export", "all.quern"], ""), (["bench", "--suite", "s.toml", "--record", "r.toml"], ""), (["cpu", "--json", "c.json"], "")]
    run("eval", "softmax", "x.npy", "-o", "z.npy")  # something to export
    for words, name in out:
        with open("stdout", "w") as file:
            ends(run(*words, refuse=cap, stdout=file), f"ulimit -f: {words[0]}", (4,) if name else (0, 2, 3, 4), name)
    ends(run("tiny", "-o", "f.gguf", refuse=cap, program=maker), "ulimit -f: quern-maker", (4,), "f.gguf")
    left = [name for name in os.listdir(".") if ".tmp" in name]
    expect(not left, f"ulimit -f: {left} left behind")


def memory():
    """ulimit -v, from too little to start to enough."""
    ended = {}
    for words in (["eval", "softmax", "x.npy", "-o", "z.npy", "--cache", "none"], ["emit", "add", "a=64", "b=64", "-o", "bundle3"],
                  ["generate", "-m", "m.gguf", "--ids", "1,2,3", "-n", "3", "-t", "2", "--cache", "none"],
                  ["tune", "add", "a=64", "b=64", "--budget", "1s", "--cache", "none"]):
        for mebibytes in (40, 60, 80, 120, 150, 170, 180, 190, 200, 220, 240, 260, 300, 400, 800):
            done = run(*words, refuse=Sandbox.limits(AS=mebibytes << 20))
            if done.returncode == 127 or "error while loading shared libraries" in done.stderr:
                continue  # it did not start
            ends(done, f"ulimit -v {mebibytes} MiB: {words[0]}", (0, 4))
            ended[done.returncode] = ended.get(done.returncode, 0) + 1
    expect(len(ended) == 2, f"ulimit -v: all ended in {ended}")


def allocations():
    """Every so many-th request for memory fails, alone or with all after it: at requests spread over the whole run."""
    commands = [["eval", "softmax", "x.npy", "-o", "z.npy", "--cache", "none"], ["eval", "softmax", "x.npy", "-o", "z.npy"],
                ["generate", "-m", "m.gguf", "--ids", "1,2,3", "-n", "3", "-t", "2", "--temp", "0"],
                ["emit", "add", "a=64", "b=64", "-o", "bundle6"], ["cpu"], ["info", "-m", "m.gguf"]]
    for words in commands:
        run(*words)
        counted = run(*words, env={"LD_PRELOAD": failing, "QUERN_FAIL_AT": "count"})
        total = int(counted.stderr.strip().split()[-1])
        expect(total > 50, f"malloc: {words[0]} makes {total} requests")
        points = sorted({int(total ** (i / allocation_points)) for i in range(allocation_points)} | {total * i // allocation_points for i in range(1, allocation_points)})
        for at in points:
            for once in ({}, {"QUERN_FAIL_ONCE": "1"}):
                said = run(*words, env={"LD_PRELOAD": failing, "QUERN_FAIL_AT": str(at), **once})
                if any(own in said.stderr for own in ("cannot allocate memory for thread-local data", "failed to register TLS destructor")):
                    continue  # the C library itself ends the process there: nothing of ours is asked
                ends(said,
                     f"malloc: request {at} of {total} fails{' alone' if once else ''}: {words[0]}", (0, 4))


def missing():
    """No /proc, no /sys, no TMPDIR; a parent that ignores its children."""
    for folder in ("/no/such/folder", "/dev/null"):
        ends(run("emit", "add", "a=64", "b=64", "-o", "bundle4", env={"TMPDIR": folder}), f"TMPDIR={folder}: emit", (4,), f"TMPDIR={folder}")
    said = run("cpu", refuse=Sandbox.children_ignored)
    ends(said, "SIGCHLD ignored: cpu")
    expect("not tried" not in said.stdout and "not executing" not in said.stdout, f"SIGCHLD ignored: cpu says {said.stdout}")
    hidden = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec "$@"', "sh"]
    if subprocess.run([*hidden, "true"], capture_output=True).returncode != 0:
        skipped.append("no /proc (mounts are refused)")
        return
    here = run("cpu").stdout
    expect(run("cpu", prefix=hidden).stdout == here, "no /proc, no /sys: cpu says something else")
    shutil.rmtree("cache", ignore_errors=True)
    for origin in ("compiled", "cached"):
        ends(run("eval", "softmax", "x.npy", "-o", "z.npy", prefix=hidden), f"no /proc, {origin}: eval")
        expect(same("y.npy", "z.npy"), f"no /proc, {origin}: another result")
    ends(run("bench", "-m", "m.gguf", "--prefill", "8", "--decode", "4", prefix=hidden), "no /proc: bench -m")
    ends(run("emit", "add", "a=64", "b=64", "-o", "bundle5", prefix=hidden), "no /proc: emit")
    folder = os.path.dirname(quern)
    for what, program, env in (("by a relative path", "./quern", {}), ("from PATH", "quern", {"PATH": folder + ":" + os.environ["PATH"]})):
        where = os.getcwd()
        os.chdir(folder)
        done = run("show", "softmax", "x=4x4", "--stage", "asm", prefix=hidden, program=program, env=env)
        os.chdir(where)
        ends(done, f"no /proc, started {what}")


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    square("x.npy", 64)
    square("small.npy", 4)
    open("s.toml", "w").write("".join(f'[[op]]\nid = "op{i}"\ntext = "add a={i + 1} b={i + 1}"\n' for i in range(8)))
    made = run("tiny", "-o", "m.gguf", program=maker)
    if made.returncode != 0:
        sys.exit(f"quern-maker: {made.stderr}")
    if run("eval", "softmax", "x.npy", "-o", "y.npy", "--cache", "none").returncode != 0:
        sys.exit("eval does not run at all")
    for part in (code, threads, stacks, fileSizes, memory, allocations, missing):
        if len(sys.argv) < 6 or part.__name__ in sys.argv[5:]:
            part()
    os.chdir("/")

expect.finish(100 if len(sys.argv) < 6 else 1, "".join(f"\nskipped: {what}: not possible here" for what in skipped))
