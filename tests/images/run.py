#!/usr/bin/env python3
"""tests/images/run.py ROOT QUERN MAKER — the images of ROOT/tools/images/Containerfile, made without a container engine: each stage is a folder with Debian 12
in it, and its steps run there. Then the images do what they are for. Skipped where mmdebstrap, root or the network is missing."""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, ran, write

root, quern, maker = (os.path.abspath(path) for path in sys.argv[1:4])
check = Checks()


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


class Stage:
    """A folder that a program takes for /, its environment and what it starts."""

    def __init__(self, path, before=None):
        self.path, self.work = path, "/"
        self.env = dict(before.env) if before else {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        self.entry = []

    def run(self, *words, status=0):
        inside = ["chroot", self.path, "/bin/sh", "-c", 'cd "$0" && exec "$@"', self.work, *words]
        proc = os.path.join(self.path, "proc")
        subprocess.run(["mount", "-t", "proc", "proc", proc], check=False, stderr=subprocess.DEVNULL)  # without, programs do with less
        try:
            done = ran(*inside, env={**self.env, "DEBIAN_FRONTEND": "noninteractive"}, timeout=3600)
        finally:
            subprocess.run(["umount", "-l", proc], check=False, stderr=subprocess.DEVNULL)
            assert not os.path.ismount(proc), f"{proc} stays mounted: nothing below it may be copied or removed"
        said = f"{done.stdout[-400:]}\n{done.stderr[-800:]}"
        check(done.returncode == status, f"{' '.join(words)[:200]}: status {done.returncode}, expected {status}\n{said}")
        return done

    def start(self, *words, status=0):
        """As `podman run IMAGE words`."""
        return self.run(*self.entry, *words, status=status)


def instructions(path):
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split(None, 1)


def copied(stage, words, stages):
    source = next((stages[word.split("=")[1]].path for word in words if word.startswith("--from=")), None)
    *from_, to = [word for word in words if not word.startswith("--")]
    place = os.path.normpath(stage.path + os.path.join(stage.work, to))
    for one in from_:
        if source is None:  # the checkout, which .dockerignore leaves
            names = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout.decode().split("\0")
            for name in filter(None, names):
                os.makedirs(os.path.dirname(os.path.join(place, name)), exist_ok=True)
                shutil.copy2(os.path.join(root, name), os.path.join(place, name), follow_symlinks=False)
        elif os.path.isdir(source + one):
            shutil.copytree(source + one, place)
        else:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copy2(source + one, place)


def images(folder):
    base = os.path.join(folder, "debian.tar")
    made = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", base], capture_output=True, text=True)
    if made.returncode != 0:
        skip(f"no Debian 12 to be had: {made.stderr.strip()[-200:]}")
    stages, stage = {}, None
    for what, rest in instructions(os.path.join(root, "tools/images/Containerfile")):
        if what == "FROM":
            image, _, name = rest.split()
            before = stages.get(image)
            stage = stages[name] = Stage(os.path.join(folder, name), before)
            if before:
                subprocess.run(["cp", "-a", before.path, stage.path], check=True)
            else:
                check(image.startswith("docker.io/library/debian:12"), f"FROM {image}: no Debian 12")
                os.mkdir(stage.path)
                subprocess.run(["tar", "-xf", base, "-C", stage.path, "--exclude=./dev/*"], check=True)
                for device, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
                    subprocess.run(["mknod", "-m", "666", os.path.join(stage.path, "dev", device), "c", "1", str(minor)], check=True)
                shutil.copy("/etc/resolv.conf", os.path.join(stage.path, "etc/resolv.conf"))
        elif what == "WORKDIR":
            stage.work = rest
            os.makedirs(stage.path + rest, exist_ok=True)
        elif what == "COPY":
            copied(stage, rest.split(), stages)
        elif what == "RUN":
            stage.run("/bin/sh", "-c", rest)
        elif what == "ENV":
            name, value = rest.split("=", 1)
            stage.env[name] = value
        elif what == "VOLUME":
            os.makedirs(stage.path + rest, exist_ok=True)
        elif what == "ENTRYPOINT":
            stage.entry, stage.work = json.loads(rest), "/"
        else:
            check(False, f"{what}: this test knows no such step")
    return stages


def without_compiler(stage, folder):
    """The bundle of a model runs in the image, with the bits that it has here; there is no compiler in it."""
    for name in ("LLVM", "quern-codegen"):
        found = subprocess.run(["find", stage.path, "-name", f"lib{name}*"], capture_output=True, text=True).stdout
        check(not found, f"{found.strip()} is in the image")
    env = caching(os.path.join(folder, "cache"))
    check.run(maker, "tiny", "--type", "q4_0", "-o", os.path.join(folder, "m.gguf"))
    check.run(quern, "emit", "-m", os.path.join(folder, "m.gguf"), "-o", os.path.join(stage.path, "bundle"), "--weights", env=env)
    words = ["generate", "--bundle", "/bundle", "-p", "a word", "-n", "5", "--seed", "3"]
    here = check.run(quern, *[stage.path + word if word == "/bundle" else word for word in words], env=env).stdout
    there = stage.start(*words).stdout
    check(there == here and here.strip(), f"{shlex.join(words)}: {there!r}, here {here!r}")
    stage.start("generate", "--bundle", "/none", "-p", "a", status=3)


def with_compiler(stage):
    write(stage.path + "/x.npy", npy([i * 0.01 for i in range(128)], (4, 32)))
    for compiled in (1, 0):
        said = stage.start("eval", "softmax", "/x.npy", "-o", "/y.npy", "--log", "perf").stderr
        check(said.count("compiled in") == compiled, f"compiled {said.count('compiled in')} times: {said}")
    check("1 good, 0 damaged" in stage.start("cache", "verify").stdout, "cache verify")
    stage.start("show", "--cpu", "haswell", "matmul", "m=8", "n=8", "k=8", "--stage", "asm")


if os.geteuid() != 0:
    skip("only root may change a program's /")
if shutil.which("mmdebstrap") is None:
    skip("mmdebstrap is not here (apt install mmdebstrap)")
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    made = images(folder)
    check(set(made) == {"build", "run", "quern"}, f"stages: {list(made)}")
    without_compiler(made["run"], folder)
    with_compiler(made["quern"])
    for name in ("run", "quern"):
        size = subprocess.run(["du", "-sm", made[name].path], capture_output=True, text=True).stdout.split()[0]
        print(f"{name}: {size} MB")
check.finish(20)
