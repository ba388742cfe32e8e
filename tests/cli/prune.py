#!/usr/bin/env python3
"""tests/cli/prune.py QUERN — `cache list` says what each entry is worth; `cache prune` shows what would go by age, size, CPU and generator, and
removes that, and nothing else, with --yes."""
import hashlib
import json
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching

quern = os.path.abspath(sys.argv[1])
check = Checks()
OPS = ["add a=64 b=64", "relu x=100", "softmax x=4x40", "exp x=77", "mul a=9 b=9"]


def run(*words, status=0):
    return check.run(quern, *words, status=status, env=caching("cache"))


def entries():
    return set(os.listdir("cache/kernels"))


def listed():
    return json.loads(run("cache", "list", "--json", "-").stdout)["rows"]


def pruned(*flags, status=0):
    said = run("cache", "prune", *flags, "--json", "-", status=status)
    return {os.path.basename(row["file"]): row["why"] for row in json.loads(said.stdout)["rows"]}


def forged(entry, field, change):
    """A whole entry, right hash and name, with another value of a field."""
    with open(f"cache/kernels/{entry}", "rb") as file:
        data = file.read()[:-64]
    length = int(re.search(rb"\n%s (\d+)\n" % field, data).group(1))
    at = re.search(rb"\n%s \d+\n" % field, data).end()
    data = data[:at] + change(data[at:at + length]) + data[at + length:]
    before = data.index(b"op ")
    name = hashlib.sha256(data[before:data.index(b"\ninfo ") + 1]).hexdigest()[:32] + ".qk"
    with open(f"cache/kernels/{name}", "wb") as file:
        file.write(data + hashlib.sha256(data).hexdigest().encode())
    os.chmod(f"cache/kernels/{name}", 0o600)
    return name


def age(entry, days):
    then = time.time() - 86400 * days
    os.utime(f"cache/kernels/{entry}", (then, then))


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    check("0 of 0 kernels" in run("cache", "prune").stdout, "no cache yet")
    for op in OPS[:-1]:
        run("bench", op, "--quiet")
    run("tune", OPS[-1], "--budget", "3s", "--quiet")
    own = entries()
    rows = listed()
    check(all(row["standing"] == "exact" and row["cpu"] and 0 <= row["age_days"] < 1 for row in rows) and len(rows) == len(own), f"list: {rows}")
    fast = [row for row in rows if "median_ns" in row]
    check(len(fast) == 1 and fast[0]["op"].startswith("mul") and fast[0]["median_ns"] > 0 and fast[0]["confidence"] in ("high", "low"), f"the tuned one: {fast}")
    check(re.search(r"\d+ +0\.\d d +\d\.\d\dx [\d.]+ \ws.* exact: mul", run("cache", "list").stdout), "as text")
    check(pruned() == {} and pruned("--other-cpus") == {} and pruned("--older-than", "1") == {}, "nothing to prune")

    one = sorted(own)[0]
    stranger = forged(one, b"generator", lambda old: old[::-1])
    check(stranger not in own, "it has a name of its own")
    elsewhere = forged(one, b"provenance", lambda old: re.sub(rb'model="?[^"]', lambda match: match.group()[:-1] + b"~", old))
    check(elsewhere == one, "where it was made is not in the key")
    check({row["standing"] for row in listed() if os.path.basename(row["file"]) == stranger} == {"another generator's"}, "list")
    check(pruned() == {stranger: "another generator's"} == pruned("--other-generators"), "by generator, the default")
    check(pruned("--other-cpus") == {one: "another CPU's"}, "by CPU")
    old = sorted(own)[1]
    age(old, 41)
    check(pruned("--older-than", "40") == {old: "41 days old"} and pruned("--older-than", "42") == {}, "by age")
    sizes = {name: os.path.getsize(f"cache/kernels/{name}") for name in entries()}
    check(pruned("--to-size", str(sum(sizes.values()))) == {}, "as large as it is")
    check(pruned("--to-size", str(sum(sizes.values()) - 1)) == {old: "oldest"}, "the oldest first")
    check(set(pruned("--to-size", "0")) == entries(), "all of them")
    broken = sorted(own)[2]
    with open(f"cache/kernels/{broken}", "r+b") as file:
        file.seek(300)
        file.write(b"?")
    check(pruned() == {stranger: "another generator's", broken: "damaged"}, "what is damaged goes anyway")
    check(entries() == own | {stranger}, "shown, not removed")

    said = run("cache", "prune", "--yes").stdout
    check(re.search(rf"2 of {len(own) + 1} kernels, .* removed\n$", said) and entries() == own - {broken}, said)
    check(set(pruned("--older-than", "40", "--yes")) == {old} and entries() == own - {broken, old}, "by age, removed")
    run("cache", "verify")
    for flags, message in ((["--to-size", "64Q"], "--to-size 64Q: a size such as 64M is needed"), (["--older-than", "soon"], "--older-than soon: a number of days is needed, such as 30")):
        check(message in run("cache", "prune", *flags, status=2).stderr, message)
    check("--yes goes with cache prune" in run("cache", "list", "--yes", status=2).stderr, "--yes elsewhere")
    check("0 of 0" in run("cache", "prune", "--cache", "none").stdout, "no cache at all")
    os.chdir("/")
check.finish(20)
