#!/usr/bin/env python3
"""tests/peers/run.py ROOT MESON — a peer installed after build/ was configured is found at the next configuration; one that is not there is named."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT, MESON = sys.argv[1], sys.argv[2]
HEADER = "typedef int arch_t;\narch_t bli_arch_query_id();\n"
PROJECT = "project('peers', 'cpp', default_options: ['cpp_std=c++20'])\nroot = include_directories('.')\nsubdir('peers')\n"


def configure(folder, environment, again):
    if again:  # as tools/peers/install does
        subprocess.run([MESON, "configure", "--clearcache", "build"], cwd=folder, env=environment, check=True, capture_output=True)
    words = [MESON, "setup"] + (["--reconfigure"] if again else []) + ["build"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return [line.split("Message: ")[1] for line in done.stdout.splitlines() if "Message: peer " in line]


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "meson.build"), "w", encoding="utf-8") as file:
            file.write(PROJECT)
        shutil.copytree(os.path.join(ROOT, "tools", "peers"), os.path.join(folder, "peers"))
        fake = os.path.join(folder, "fake")
        os.mkdir(fake)
        environment = dict(os.environ, CPLUS_INCLUDE_PATH=fake, LIBRARY_PATH=fake)
        before = configure(folder, environment, False)
        if not any(line.startswith("peer blis is not built: there is no ") for line in before):
            print("skipped: BLIS is installed here")
            sys.exit(77)
        subprocess.run(["c++", "-shared", "-x", "c++", "/dev/null", "-o", os.path.join(fake, "libblis.so")], check=True)
        for header, said in (("", "peer blis is not built: blis.h is of a version that is not known here"), (HEADER, None)):
            with open(os.path.join(fake, "blis.h"), "w", encoding="utf-8") as file:
                file.write(header)
            after = [line for line in configure(folder, environment, True) if line.startswith("peer blis")]
            if after != ([said] if said else []):
                sys.exit(f"with a blis.h of {len(header)} bytes: {after}, expected {said}")
    print("2 configurations right")


main()
