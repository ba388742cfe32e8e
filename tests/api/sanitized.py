#!/usr/bin/env python3
"""tests/api/sanitized.py ROOT FOLDER PYTHON — the C library's tests under ThreadSanitizer, and the Python package's under AddressSanitizer (with
UndefinedBehaviorSanitizer): builds of their own in FOLDER. A report is a failure, outside the list below, of which each cites what it is."""
import os
import re
import subprocess
import sys

root, folder, python = (os.path.abspath(path) if i < 2 else path for i, path in enumerate(sys.argv[1:4]))
shared = os.environ.get("QUERN_SHARED") or os.path.join(root, "..", "shared")
# Functions in whose reports we have no part: none is needed now.
UPSTREAM = []
done, wrong = 0, 0


def built(name, sanitizer, *targets):
    path = os.path.join(folder, name)
    if not os.path.exists(os.path.join(path, "build.ninja")):
        subprocess.run(["meson", "setup", path, root, f"-Db_sanitize={sanitizer}", "-Db_lundef=false"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", path, *targets], check=True, stdout=subprocess.DEVNULL)
    return path


def runs(what, words, **environment):
    global done, wrong
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env={**os.environ, "QUERN_SHARED": shared, **environment})
    reports = re.findall(r"(?:WARNING|ERROR): \w+Sanitizer.*?(?=\n=====|\Z)|runtime error: .*", ended.stdout, re.S)
    ours = [each for each in reports if not any(name in each for name in UPSTREAM)]
    done += 1
    if ended.returncode not in (0, 77) or ours:
        wrong += 1
        print(f"{what}: status {ended.returncode}, {len(ours)} reports\n{(ours or [ended.stdout[-3000:]])[0]}")
    else:
        print(f"{what}: no report; {ended.stdout.strip().splitlines()[-1]}")


tests = [f"tests/api-{name}" for name in ("ops", "malformed", "sessions")]
module = "compiler/libquern-codegen.so"
path = built("tsan", "thread", module, *tests)
for test in tests:
    runs(f"TSan, {test}", [os.path.join(path, test), shared], TSAN_OPTIONS="halt_on_error=0 history_size=7")
path = built("asan", "address,undefined", "core", *tests)
for test in tests:
    runs(f"ASan, {test}", [os.path.join(path, test), shared], ASAN_OPTIONS="detect_leaks=1")
# What throws must be there when the sanitizer comes up; Python itself frees little at its end.
library = " ".join(subprocess.run(["gcc", f"-print-file-name={name}"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() for name in ("libasan.so", "libstdc++.so"))
runs("ASan, Python", [python, os.path.join(root, "tests/python/calls.py"), shared], LD_PRELOAD=library, ASAN_OPTIONS="detect_leaks=0",
     PYTHONPATH=os.path.join(path, "python"), PYTHONMALLOC="malloc")
print(f"{done} programs, {wrong} wrong")
sys.exit(1 if wrong or done != 7 else 0)
