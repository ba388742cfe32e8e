#!/usr/bin/env python3
"""tests/cli/prune.py QUERN — `cache list` says what each entry is worth; `cache prune` shows what would go by age, size, CPU, generator and
wrong results, and removes that, and nothing else, with --yes; `cache verify` runs every kernel again."""
import hashlib
import json
import os
import re
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, write

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


def field(entry, name):
    with open(f"cache/kernels/{entry}", "rb") as file:
        data = file.read()
    place = re.search(rb"\n%s (\d+)\n" % name, data)
    return data[place.end():place.end() + int(place.group(1))]


def code_of(elf):
    """Where the section begins that can be executed."""
    table, = struct.unpack_from("<Q", elf, 40)
    each, count = struct.unpack_from("<HH", elf, 58)
    for at in range(table, table + each * count, each):
        flags, _, offset = struct.unpack_from("<QQQ", elf, at + 8)
        if flags & 4:
            return offset
    raise ValueError("no code")


def wrong():
    """Code under a right hash that is not its op's, or dies: named, counted, and taken away; names from a file are escaped."""
    run("cache", "prune", "--to-size", "0", "--yes")
    for op in ("add a=32 b=32", "sub a=32 b=32", "mul a=32 b=32", "div a=32 b=32"):
        run("eval", *op.split(" ")[:1], "x.npy", "x.npy", "-o", "y.npy", "--quiet")
    of = {row["op"].split(" ")[0]: os.path.basename(row["file"]) for row in listed()}
    check(set(of) == {"add", "sub", "mul", "div"}, of)
    found = json.loads(run("cache", "verify", "--json", "-").stdout)
    check((found["good"], found["wrong"], found["not_run"], found["entries"], found["interrupted"]) == (4, 0, 0, 4, False), found)
    other = field(of["sub"], b"object")
    check(forged(of["add"], b"object", lambda old: other) == of["add"], "code is not in the key")
    begin = code_of(field(of["mul"], b"object"))
    forged(of["mul"], b"object", lambda old: old[:begin] + b"\x0f\x0b" + old[begin + 2:])
    stranger = forged(of["div"], b"generator", lambda old: old[::-1])
    forged(of["div"], b"schedule", lambda old: b"\x1b[31m" + old)
    said = run("cache", "verify", status=1).stdout
    check(re.search(r"WRONG +add .*\n .*is right.*\n .*kernels/" + of["add"], said) and re.search(r"WRONG +mul .*\n .*SIGILL", said), said)
    check(re.search(r"not run +div .*\n +another generator's", said) and re.search(r"\n2 good, 1 damaged, 2 WRONG .*, 1 not run here\n", said), said)
    check("\x1b" not in said + run("cache", "list").stdout, "a terminal's controls come through")
    found = json.loads(run("cache", "verify", "--json", "-", status=1).stdout)
    outcomes = {os.path.basename(row["file"]): row["outcome"] for row in found["rows"]}
    check(found["wrong"] == 2 and len(found["damaged"]) == 1 and outcomes[of["add"]] == outcomes[of["mul"]] == "wrong" and outcomes[of["sub"]] == "right", found)
    gone = pruned("--wrong", "--yes")
    check({of["add"], of["mul"]} <= set(gone) and set(gone.values()) == {"wrong", "damaged"} and len(gone) == 3, gone)
    check(entries() == {of["sub"], of["div"], stranger}, entries())
    run("cache", "verify")
    said = run("cache", "verify", "--cache", "nowhere")
    check("nothing to verify: nowhere has no kernels" in said.stderr and "0 good" in said.stdout, said)


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
    write("x.npy", npy([i * 0.5 + 1 for i in range(32)]))
    wrong()
    os.chdir("/")
check.finish(35)
