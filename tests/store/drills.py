#!/usr/bin/env python3
"""tests/store/drills.py QUERN FAULTY_CALLS [--deep] — many processes, killed processes, failing calls and files that are swapped on one
cache: nothing lost, nothing damaged or foreign accepted, nothing left behind."""
import errno
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, npy, write

quern, faulty, deep = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), "--deep" in sys.argv
check = Checks()
RIGHT = None  # bytes of the right answer


def start(folder, cache, out="y.npy", env=None, log="perf"):
    words = [quern, "eval", "softmax", os.path.join(folder, "x.npy"), "-o", os.path.join(folder, out), "--cache", cache, "--log", log]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})


def finish(process):
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def answer(folder, out="y.npy"):
    with open(os.path.join(folder, out), "rb") as file:
        return file.read()


def run(folder, cache, env=None):
    path = os.path.join(folder, "y.npy")
    if os.path.exists(path):
        os.unlink(path)
    return finish(start(folder, cache, env=env))


def sound(folder, cache, what):
    """After whatever happened: one plain run is right, and the cache then holds whole entries under right names, and nothing else."""
    status, err = run(folder, cache)
    check(status == 0 and answer(folder) == RIGHT, f"{what}: the next run ends with {status}: {err.strip()}")
    kernels = os.path.join(cache, "kernels")
    odd = [name for name in os.listdir(kernels) if not re.fullmatch(r"[0-9a-f]{32}\.qk", name)] if os.path.isdir(kernels) else []
    check(not odd, f"{what}: left behind: {odd}")
    done = subprocess.run([quern, "cache", "verify", "--cache", cache], capture_output=True, text=True)
    check(done.returncode == 0, f"{what}: cache verify: {done.stdout.strip()}")


def many_processes(folder):
    for count, rounds in ((16, 4 if deep else 1),):
        for i in range(rounds):
            cache = os.path.join(folder, f"many{i}")
            all_of_them = [start(folder, cache, f"y{k}.npy") for k in range(count)]
            compiled = 0
            for k, process in enumerate(all_of_them):
                status, err = finish(process)
                compiled += err.count("compiled in")
                check(status == 0 and answer(folder, f"y{k}.npy") == RIGHT, f"{count} cold processes: {k} ends with {status}: {err.strip()}")
            check(compiled <= 1.2, f"{count} cold processes: the key was compiled {compiled} times")
            sound(folder, cache, f"{count} cold processes")


def killed(folder):
    rng = random.Random(7)
    began = time.monotonic()
    run(folder, os.path.join(folder, "clock"))
    whole = time.monotonic() - began
    for i in range(1000 if deep else 8):
        cache = os.path.join(folder, f"killed{i % 4}")
        if i % 3 == 0:
            subprocess.run(["rm", "-rf", cache], check=True)
        process = start(folder, cache)
        time.sleep(rng.uniform(0.3, 1.05) * whole)
        process.send_signal(signal.SIGKILL)
        finish(process)
        sound_after_kill(folder, cache, i)


def sound_after_kill(folder, cache, i):
    kernels = os.path.join(cache, "kernels")
    if os.path.isdir(kernels):  # as if it had been killed with more of it done: abandoned files of other keys go too
        for name in ("0" * 32 + ".qk.tmpabcdef", "1" * 32 + ".lock"):
            open(os.path.join(kernels, name), "w").close()
        for name in os.listdir(kernels):
            if name.endswith(".qk"):
                os.unlink(os.path.join(kernels, name))
    sound(folder, cache, f"kill {i}")


def failing_calls(folder):
    """Every call about the cache's files fails once, in each way."""
    record = os.path.join(folder, "count")
    ways = [(str(errno.EIO), "EIO"), (str(errno.ENOSPC), "ENOSPC"), (str(errno.EINTR), "EINTR"), ("short", "short"), (str(errno.EACCES), "EACCES")]
    for warm in (False, True):
        for way, name in ways if deep else ways[:4]:
            at, count, cache = 1, 1, os.path.join(folder, f"faulty-{name}-{warm}")
            while at <= count:
                if not warm:
                    subprocess.run(["rm", "-rf", cache], check=True)
                elif at == 1:
                    run(folder, cache)
                env = {"LD_PRELOAD": faulty, "QUERN_FAULT_UNDER": cache, "QUERN_FAULT_AT": str(at), "QUERN_FAULT_AS": way, "QUERN_FAULT_COUNT": record}
                status, err = run(folder, cache, env)
                what = f"{'warm' if warm else 'cold'}, {name} at call {at}"
                check(status == 0 and answer(folder) == RIGHT, f"{what}: ends with {status}: {err.strip()}")
                count = int(open(record).read())
                check(count > 0, f"{what}: no calls were seen")
                if deep or at % 4 == 0:
                    sound(folder, cache, what)
                at += 1 if deep else 3


def failing_hashes(folder):
    for warm in (False, True):
        for at in range(1, 9):
            cache = os.path.join(folder, f"digest-{warm}-{at}")
            if warm:
                run(folder, cache)
            status, err = run(folder, cache, {"LD_PRELOAD": faulty, "QUERN_FAULT_AT": str(at), "QUERN_FAULT_AS": "digest"})
            check(status == 0 and answer(folder) == RIGHT, f"hash {at} fails: ends with {status}: {err.strip()}")
            sound(folder, cache, f"hash {at} fails")


def entry_fields(data):
    """The fields of an entry in order, by name (compiler/store/README.md)."""
    fields, at, end = {}, data.index(b"\n") + 1, len(data) - 64
    while at < end:
        line = data.index(b"\n", at)
        name, length = data[at:line].split(b" ")
        fields[name] = data[line + 1:line + 1 + int(length)]
        at = line + 1 + int(length) + 1
    return fields


def swapped(folder):
    """Right before each call about the cache's files in turn, the entry, or the folder it lies in, changes places with one that others
    could write, or with a link, which holds other code under a right hash. That code never runs."""
    for name, values in (("a", [1, 2, 3, 4]), ("b", [10, 20, 30, 40])):
        with open(os.path.join(folder, name + ".npy"), "wb") as file:
            file.write(npy(values))
    sums, cache, record = npy([11, 22, 33, 44])[-16:], os.path.join(folder, "swapped"), os.path.join(folder, "count")
    kernels = os.path.join(cache, "kernels")

    def evaluate(op, env):
        words = [quern, "eval", op, os.path.join(folder, "a.npy"), os.path.join(folder, "b.npy"), "-o", os.path.join(folder, "y.npy"), "--cache", cache]
        return subprocess.run(words, capture_output=True, text=True, env={**os.environ, **env})

    for what in ("entry", "folder", "link"):
        at, count, seen = 1, 1, 0
        while at <= count:
            subprocess.run(["rm", "-rf", cache, os.path.join(folder, "theirs")], check=True)
            evaluate("sub", {})
            other = entry_fields(open(os.path.join(kernels, os.listdir(kernels)[0]), "rb").read())[b"object"]
            os.unlink(os.path.join(kernels, os.listdir(kernels)[0]))
            evaluate("add", {})
            name = os.listdir(kernels)[0]
            fields = entry_fields(open(os.path.join(kernels, name), "rb").read())
            body = b"quern-kernel 1\n" + b"".join(b"%s %d\n%s\n" % (k, len(v), v) for k, v in {**fields, b"object": other}.items())
            theirs = os.path.join(folder, "theirs")
            os.mkdir(theirs)
            os.chmod(theirs, 0o777)
            held = os.path.join(theirs, "held" if what == "link" else name)
            with open(held, "wb") as file:
                file.write(body + hashlib.sha256(body).hexdigest().encode())
            os.chmod(held, 0o666 if what == "entry" else 0o600)
            if what == "link":
                os.symlink(held, os.path.join(theirs, name))
            pair = (kernels, theirs) if what == "folder" else (os.path.join(kernels, name), os.path.join(theirs, name))
            env = {"LD_PRELOAD": faulty, "QUERN_FAULT_UNDER": cache, "QUERN_FAULT_AT": str(at), "QUERN_FAULT_AS": "swap", "QUERN_SWAP_A": pair[0],
                   "QUERN_SWAP_B": pair[1], "QUERN_FAULT_COUNT": record}
            done = evaluate("add", env)
            check(done.returncode == 0 and answer(folder)[-16:] == sums, f"{what} swapped before call {at}: {done.returncode} {done.stderr.strip()}")
            seen += ("is a link" if what == "link" else "others can write to it") in done.stderr
            count = int(open(record).read())
            at += 1
        check(seen > 0, f"{what} swapped: it was never met")


def pinned(folder):
    """Records under failing calls: a record is there whole or not at all, and the one before it stays."""
    op = ["matmul", "m=64", "n=64", "k=64"]
    whole = os.path.join(folder, "pinned")
    subprocess.run([quern, "tune", *op, "--pin", "mr=2 nr=16", "--cache", whole, "--quiet"], capture_output=True, check=True)
    for way in (str(errno.ENOSPC), "short", str(errno.EIO)):
        for at in range(1, 16, 1 if deep else 3):
            cache = os.path.join(folder, f"pin-{way}-{at}")
            shutil.copytree(whole, cache)
            env = {**os.environ, "LD_PRELOAD": faulty, "QUERN_FAULT_UNDER": os.path.join(cache, "records.txt"), "QUERN_FAULT_AT": str(at), "QUERN_FAULT_AS": way}
            done = subprocess.run([quern, "tune", *op, "--unpin", "--cache", cache, "--quiet"], capture_output=True, text=True, env=env)
            text = open(os.path.join(cache, "records.txt")).read()  # 2: the pin could not be read, so there was none to free
            check(done.returncode in (0, 2, 4), f"unpin with {way} at {at}: status {done.returncode}: {done.stderr.strip()}")
            check(text.endswith("\n") and text.count("\n") == (2 if done.returncode == 0 else 1), f"unpin with {way} at {at}: {text!r}")


def modules(folder):
    """The code generator is code too: it is not loaded where others can write it and cannot write the program."""
    tree = os.path.join(folder, "tree")
    os.makedirs(os.path.join(tree, "tools"))
    os.makedirs(os.path.join(tree, "compiler"))
    program, module = os.path.join(tree, "tools", "quern"), os.path.join(tree, "compiler", "libquern-codegen.so")
    shutil.copy(quern, program)
    shutil.copy(os.path.join(os.path.dirname(quern), "..", "compiler", "libquern-codegen.so"), module)
    here = os.path.dirname(module)
    for program_mode, module_mode, folder_mode, status in ((0o755, 0o755, 0o755, 0), (0o775, 0o775, 0o755, 0), (0o755, 0o775, 0o755, 4),
                                                           (0o755, 0o757, 0o755, 4), (0o755, 0o755, 0o777, 4), (0o755, 0o755, 0o775, 4)):
        os.chmod(program, program_mode)
        os.chmod(module, module_mode)
        os.chmod(here, folder_mode)
        done = subprocess.run([program, "eval", "softmax", os.path.join(folder, "x.npy"), "-o", os.path.join(folder, "y.npy"), "--cache", "none"],
                              capture_output=True, text=True)
        good = done.returncode == status and (status == 0 or "others can write to it" in done.stderr)
        check(good, f"program {program_mode:o}, module {module_mode:o} in {folder_mode:o}: {done.returncode} {done.stderr.strip()}")


    # Nor where it was built from other sources than the program, whose kernels would be kept under the program's keys.
    for path, mode in ((program, 0o755), (module, 0o755), (here, 0o755)):
        os.chmod(path, mode)
    known = re.search(r'kGeneratorFingerprint = "(\w{16})"', open(os.path.join(os.path.dirname(quern), "..", "compiler", "Fingerprint.h")).read())[1].encode()
    data = open(module, "rb").read()
    check(known in data, "the module does not hold its fingerprint")
    with open(module, "wb") as file:
        file.write(data.replace(known, b"0123456789abcdef"))
    done = subprocess.run([program, "eval", "softmax", os.path.join(folder, "x.npy"), "-o", os.path.join(folder, "y.npy"), "--cache", "none"],
                          capture_output=True, text=True)
    check(done.returncode == 4 and "was built from other sources (0123456789abcdef" in done.stderr, f"another fingerprint: {done.returncode} {done.stderr.strip()}")


def restarted(folder):
    """A filled cache: every start finds its kernel, exact, and compiles nothing."""
    cache = os.path.join(folder, "restarted")
    run(folder, cache)
    count = 1000 if deep else 20
    for i in range(count):
        status, err = finish(start(folder, cache, log="cache,perf"))
        hit = any(line.endswith(": exact") and " hit " in line for line in err.splitlines())
        check(status == 0 and hit and "compiled in" not in err, f"restart {i}: {status}: {err.strip()}")


def descendants(pid):
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task") if os.path.isdir(f"/proc/{pid}/task") else []:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in file.read().split():
                    found += descendants(int(child))
        except OSError:
            pass
    return found


def mapped(folder):
    """No mapping is writable and executable at once, in the tuner or a process of its, while candidates come and go."""
    words = [quern, "tune", "matmul", "m=64", "n=64", "k=64", "--budget", "20s" if deep else "3s", "--cache", os.path.join(folder, "mapped"), "--quiet"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    looks, codes, both = 0, set(), []
    while process.poll() is None:
        for pid in descendants(process.pid):
            try:
                with open(f"/proc/{pid}/maps") as file:
                    for line in file:
                        rights, name = line.split()[1], line.split()[5:]
                        if rights[1:3] == "wx":
                            both.append(line.strip())
                        if rights[2] == "x" and not name:
                            codes.add(line.split()[0])
                looks += 1
            except OSError:
                pass  # it ended
        time.sleep(0.002)
    err = process.communicate()[1]
    check(process.returncode == 0, f"tune: {process.returncode}: {err.strip()}")
    check(looks > 50 and len(codes) > 3, f"mappings: {looks} looks, {len(codes)} places of code seen")
    check(not both, f"writable and executable: {both[:3]}")


def wider(folder):
    """A cache from a machine that has more: what its entries need is named."""
    cache = os.path.join(folder, "wider")
    kernels = os.path.join(cache, "kernels")
    check(run(folder, cache)[0] == 0, "an evaluation to make an entry")
    name, = os.listdir(kernels)
    fields = entry_fields(open(os.path.join(kernels, name), "rb").read())
    joined = lambda some: b"".join(b"%s %d\n%s\n" % (k, len(v), v) for k, v in some)
    key = [(k, fields[k]) for k in (b"op", b"schedule", b"contract", b"generator", b"llvm", b"abi")]
    check(hashlib.sha256(joined(key)).hexdigest()[:32] == name.split(".")[0], f"{name} is not the hash of its key")
    needs = fields[b"contract"] + b" + amx-int8 + avx512fp16"
    fields = {k: needs if k == b"contract" else v.replace(b"contract " + fields[b"contract"] + b"\n", b"contract " + needs + b"\n") for k, v in fields.items()}
    body = b"quern-kernel 1\n" + joined(fields.items())
    os.unlink(os.path.join(kernels, name))
    name = hashlib.sha256(joined([(k, fields[k]) for k, _ in key])).hexdigest()[:32] + "." + name.split(".", 1)[1]
    with open(os.path.join(kernels, name), "wb") as file:
        file.write(body + hashlib.sha256(body).hexdigest().encode())
    os.chmod(os.path.join(kernels, name), 0o600)
    done = subprocess.run([quern, "cache", "list", "--cache", cache], capture_output=True, text=True)
    features = subprocess.run([quern, "cpu", "--json", "-"], capture_output=True, text=True).stdout
    if "avx512fp16" in features:
        return
    lacking = "refused: needs amx-int8 avx512fp16"
    check(done.returncode == 0 and lacking in done.stdout, f"list: {done.returncode} {done.stdout} {done.stderr}")


with tempfile.TemporaryDirectory() as folder:
    write(os.path.join(folder, "x.npy"), npy([i * 0.01 for i in range(128)], (4, 32)))
    status, err = run(folder, "none")
    check(status == 0, err)
    RIGHT = answer(folder)
    many_processes(folder)
    killed(folder)
    failing_calls(folder)
    failing_hashes(folder)
    swapped(folder)
    pinned(folder)
    modules(folder)
    wider(folder)
    restarted(folder)
    mapped(folder)

check.finish(50)
