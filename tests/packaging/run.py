#!/usr/bin/env python3
"""tests/packaging/run.py ROOT — the packages that tools/package makes, which lintian finds no errors in, installed in a clean Debian: programs, C and Python
from README, a model, man pages, completions. Skipped where mmdebstrap, root or the network is missing."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

root = os.path.abspath(sys.argv[1])
shared = os.environ.get("QUERN_SHARED") or os.path.join(root, "..", "shared")
model = os.path.join(shared, "models/stories260K/stories260K.gguf")
done = 0


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def run(*words, **named):
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **named)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(words)[:200]}: status {ended.returncode}\n{ended.stdout[-3000:]}")
    return ended.stdout


def expect(what, found, pattern):
    global done
    done += 1
    if not re.search(pattern, found):
        sys.exit(f"{what}: {found!r} is not {pattern}")


if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
    skip("needs root and mmdebstrap (tools/setup --deep)")
with tempfile.TemporaryDirectory() as work:
    system = os.path.join(work, "system")
    if subprocess.run(["mmdebstrap", "--variant=minbase", "bookworm", system], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        skip("no Debian to be had")
    run(os.path.join(root, "tools/package"), os.path.join(work, "packages"))
    os.mkdir(system + "/packages")
    for path in glob.glob(work + "/packages/*.deb"):
        shutil.copy(path, system + "/packages")

    def inside(script):
        return run("chroot", system, "env", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", "cd /root; " + script)

    if os.path.exists("/etc/resolv.conf"):
        shutil.copy("/etc/resolv.conf", system + "/etc/resolv.conf")
    inside("apt-get update -qq; apt-get install -y -qq --no-install-recommends /packages/*.deb gcc libc6-dev pkg-config man-db")
    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        section = file.read().split("## Use it from your program")[1]
    with open(system + "/root/readme.c", "w", encoding="utf-8") as file:
        file.write(re.search(r"```c\n(.*?)```", section, re.S).group(1))
    shutil.copy(os.path.join(root, "tests/examples/model.c"), system + "/root")
    expect("the program", inside("quern --version"), r"^quern \d")
    expect("compiling", inside("quern emit 'softmax x=*x16' -o bundle; ls bundle"), r"libquern_kernels\.a")
    expect("README's C", inside("cc readme.c $(pkg-config --cflags --libs quern) -o readme; ./readme"), r"^0\.0320586")
    expect("Python", inside("python3 -c \"import numpy as np, quern; print(quern.op('softmax')(np.ones((1, 4), np.float32)), len(quern.space('softmax x=8x100')))\""),
           r"0\.25 0\.25 0\.25 0\.25\]\] \d+")
    expect("man", inside("man -w quern-tune"), r"quern-tune\.1")
    expect("completions", inside("ls /usr/share/bash-completion/completions/quern /usr/share/zsh/vendor-completions/_quern"), r"_quern\n")
    if os.path.exists(model):
        shutil.copy(model, system + "/root/model.gguf")
        expect("a model", inside("cc model.c $(pkg-config --cflags --libs quern) -o model; ./model model.gguf 'Once upon'"), r"^Once upon a time")
        expect("quern-run", inside("quern emit -m model.gguf -o m --weights --quiet; quern-run generate --bundle m -p Once -n 4 --temp 0 --quiet"), r"\w")
print(f"{done} checks")
sys.exit(0 if done >= 6 else 1)
