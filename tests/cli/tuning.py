#!/usr/bin/env python3
"""tests/cli/tuning.py QUERN — tune, explain, samples, shards and merging, as a user runs them; explain's counts are recounted from files."""
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, write

quern = os.path.abspath(sys.argv[1])
configs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "configs")
check = Checks()


def run(*arguments, cache="cache", status=0, says=""):
    """Its output. `says`: what its remarks have in them."""
    return check.run(quern, *arguments, status=status, says=says, env=caching(cache)).stdout


def summed(line):
    """With the checksum that lines of records and journals end with."""
    return line + " sum=" + subprocess.run(["sha256sum"], input=line, capture_output=True, text=True, check=True).stdout[:16] + "\n"


def contents(folder):
    """Every file below it, by name."""
    paths = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    return {path: open(path, "rb").read() for path in paths}


def journal(cache="cache"):
    """The lines as (kind, {key: value})."""
    lines = []
    with open(os.path.join(cache, "journal.txt"), encoding="utf-8") as file:
        for line in file:
            keys = {k: a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', line)}
            lines.append((line.split(" ", 1)[0], keys))
    return lines


def recount(op):
    """What explain says of an op against what the files say."""
    said = json.loads(run("explain", op, "--json", "-"))
    family = "matmul" if op.startswith("matmul") else "row" if op.startswith("softmax") else "map"
    with open(os.path.join(configs, "tune", "default.toml"), "rb") as file:
        values = tomllib.load(file)["space"][family]
    combinations = 1
    for tried in values.values():
        combinations *= len(tried)
    legal = {row["schedule"] for row in json.loads(run("show", op, "--stage", "space", "--json", "-"))["schedules"]}
    default = json.loads(run("show", op, "--stage", "space", "--json", "-"))["schedules"][0]["schedule"]
    runs = {keys["run"] for kind, keys in journal() if kind == "run" and keys["op"] == op and " " not in keys["effort"]}
    met = {keys["schedule"]: keys.get("outcome", "") for kind, keys in journal() if kind == "met" and keys["run"] in runs}
    timed = {keys["schedule"] for kind, keys in journal() if kind == "turn" and keys["run"] in runs and keys["schedule"] in met} - {default}
    out = {schedule for schedule, outcome in met.items() if outcome}
    counts = {key: int(value) for key, value in said["counts"].items()}
    space = combinations + 1 + len(set(met) - (legal - {default}))
    check(counts["space"] == space, f"{op}: a space of {counts['space']}, {space} were counted")
    check(counts["measured"] == len(timed - out) + 1, f"{op}: measured {counts['measured']}, {len(timed - out) + 1} were counted")
    check(counts["failed"] == len(out), f"{op}: failed {counts['failed']}, {len(out)} were counted")
    untried = len(legal - {default} - set(met))
    check(counts["untried"] == untried + counts["never_enumerated"], f"{op}: untried {counts['untried']}, {untried} were counted")
    check(sum(counts[key] for key in ("pruned", "failed", "measured", "untried")) == counts["space"], f"{op}: the counts do not add up: {counts}")
    check(sum(said["pruned_by"].values()) == counts["pruned"], f"{op}: the rules do not add up")
    check(sum(said["failed_by"].values()) == counts["failed"], f"{op}: the reasons do not add up")
    best = said["candidates"][0]
    check(best["ratio"] <= 1 and best["low"] <= best["ratio"] <= best["high"], f"{op}: the fastest is {best}")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    ops = ["matmul m=* n=96 k=64 const=b", "softmax x=64x200", "gelu x=20000"]
    with open("suite.toml", "w", encoding="utf-8") as file:
        file.write("".join(f'[[op]]\ntext = "{op}"\n' for op in ops))

    # What is said at the end, and in JSON.
    out = run("tune", "--suite", "./suite.toml", "--samples", "samples.csv", "--json", "tuned.json")
    with open("tuned.json", encoding="utf-8") as file:
        tuned = json.load(file)
    summary = tuned["summary"]
    check(summary["ops"] == 3 and summary["faster"] + summary["default_stands"] == 3, f"the summary: {summary}")
    check("at the default: the best of" in out or "faster than by default" in out, f"nothing is said at the end: {out}")
    for row in tuned["rows"]:
        check(row["finished"] and not row["unconfirmed"] and (row["speedup"] == 1 or row["ratio_high"] < 1), f"a winner whose interval is not below 1: {row['op']}")
    out = run("tune", "--suite", "./suite.toml")
    check("3 ops tuned before" in out, f"a second run does not say so: {out}")
    check("another regime" not in out, f"the same regime is said to be another: {out}")
    for op in ops:
        recount(op)

    # What was tuned in another regime is tuned again where that is asked for, in a cache of its own here.
    shutil.copytree("cache", "cold")
    cold = ["tune", "--suite", "./suite.toml", "--cache-state", "cold-weights", "--json", "-"]
    said = json.loads(run(*cold, cache="cold"))["summary"]
    check(said["tuned_before"] == 0 and said["ops"] == 3, f"tuned hot, skipped cold: {said}")
    check(json.loads(run(*cold, cache="cold"))["summary"]["tuned_before"] == 3, "tuned cold twice")
    out = run("tune", "--suite", "./suite.toml", cache="cold")
    check("3 of them in another regime (" in out and "cold-weights" in out, f"another regime is not said: {out}")

    # Samples: each ratio of the journal, once.
    with open("samples.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kept = sum(len(keys["ratios"].split(",")) for kind, keys in journal() if kind == "turn")
    check(len(rows) == kept and all(float(row["ratio"]) > 0 for row in rows), f"{len(rows)} samples of {kept}")
    check({row["op"] for row in rows} == set(ops), "samples of other ops")

    # Two shards, as a job array runs them, then joined.
    parallel = shutil.which("parallel")
    tune = [quern, "tune", "--suite", "./suite.toml", "--shard", "{}/2", "--cache", "part{}"]
    if parallel:
        done = subprocess.run([parallel, "--will-cite", *tune, ":::", "1", "2"], capture_output=True, text=True, input="")
        check(done.returncode == 0, f"parallel: {done.stderr[-400:]}")
    else:
        print("note: no GNU parallel here; the shards run one after the other")
        for part in "12":
            subprocess.run([word.replace("{}", part) for word in tune], capture_output=True, check=True)
    parts = [{keys["op"] for kind, keys in journal(f"part{i}") if kind == "run"} for i in (1, 2)]
    check(parts[0] | parts[1] == set(ops) and not parts[0] & parts[1], f"the shards: {parts}")
    merged = json.loads(run("cache", "merge", "part1", "part2", "--json", "-", cache="all"))
    check(merged["decisions"] == 3 and merged["damaged"] == 0 and merged["kernels"] >= 3, f"merged: {merged}")
    for op in ops:
        said = json.loads(run("explain", op, "--json", "-", cache="all"))
        part = json.loads(run("explain", op, "--json", "-", cache="part1" if op in parts[0] else "part2"))
        check(said == part and said["schedule_from"] == "tuned", f"{op}: after the merge it is another")
    check("3 ops tuned before" in run("tune", "--suite", "./suite.toml", cache="all"), "merged, and tuned again")
    merged = json.loads(run("cache", "merge", "part1", "part2/records.txt", "part2/journal.txt", "--json", "-", cache="all"))
    check(merged == {"decisions": 0, "older": 3, "journal_lines": 0, "kernels": 0, "damaged": 0}, f"merged twice: {merged}")

    # Another machine's decisions decide nothing here, and are tried first.
    shutil.copytree("all", "other")
    for name in ("records.txt", "journal.txt"):
        with open(os.path.join("other", name), encoding="utf-8") as file:
            lines = file.read().split("\n")
        with open(os.path.join("other", name), "w", encoding="utf-8") as file:
            for line in filter(None, lines):
                line = re.sub(r'cpu="([^"]*) on [^"]*"', r'cpu="\1 on Another"', line.rsplit(" sum=", 1)[0])
                line = re.sub(r'schedule="lanes=(\d+) unroll=\d+ chunk=\d+', r'schedule="lanes=\1 unroll=8 chunk=4096', line)
                file.write(summed(line))
    run("cache", "merge", "other", cache="new")
    said = json.loads(run("explain", "gelu x=20000", "--json", "-", cache="new"))
    check(said["schedule_from"] == "default" and said["counts"]["measured"] == "0", f"another machine's winner runs here: {said['schedule_from']}")
    first = json.loads(run("tune", "gelu x=20000", "--json", "-", cache="new"))["rows"][0]["candidates"][0]["schedule"]
    check("unroll=8 chunk=4096" in first, f"another machine's winner is not tried first: {first}")

    # Damage is set aside, and said.
    with open("part1/journal.txt", "a", encoding="utf-8") as file:
        file.write("met run=1 schedule=\"torn")
    merged = json.loads(run("cache", "merge", "part1", "--json", "-", cache="damaged"))
    check(merged["damaged"] == 1 and merged["decisions"] > 0, f"damage: {merged}")
    for words in (["cache", "merge"], ["tune", "--shard", "3/2", "gelu x=10"], ["tune", "--shard", "x", "gelu x=10"], ["explain"]):
        run(*words, status=2)
    run("cache", "merge", "nowhere", status=3)

    # Where nothing is to be merged it is an error, and nothing is lost; one of several may be empty.
    before = contents("all")
    for name in ("empty", "blank", "rubbish"):
        os.mkdir(name)
    write("blank/records.txt", "")
    write("rubbish/records.txt", "not a record\n")
    write("rubbish/journal.txt", "met run=1\n")
    for words, says in ((["empty"], "empty: nothing to merge;"), (["empty", "blank"], "empty, blank: nothing to merge;"),
                        (["blank/records.txt"], "blank/records.txt: nothing to merge;"), (["all"], "all: nothing to merge;"),
                        (["rubbish"], "rubbish: nothing to merge (2 lines: torn or damaged);"), (["suite.toml"], "suite.toml: neither")):
        check(run("cache", "merge", *words, cache="all", status=3, says=says) == "", f"{words}: something is said to be merged")
    os.mkdir("folder")
    os.mkdir("folder/records.txt")
    run("cache", "merge", "folder", cache="all", status=3, says="folder/records.txt: is a directory")
    check(contents("all") == before, "a merge of nothing changed the cache")
    check(json.loads(run("cache", "merge", "empty", "part1", "--json", "-", cache="some"))["decisions"] > 0, "an empty one keeps the others out")

    # What is wrong with a list of candidates is named by its line; nothing is tuned then.
    for text, says in (("", "list.txt: no schedule in it; one a line is needed, such as: lanes="), ("# none\n\n", "list.txt: no schedule in it"),
                       ("unroll=4\nunroll=5000\n", "list.txt:2: map schedule: unroll=5000 is out of range; legal unroll: 1 to 16"),
                       ("\n hello world # it\n", "list.txt:2: map schedule: 'hello' is not key=value"),
                       ("rows=3\n", "list.txt:1: map schedule: unknown key 'rows'; keys: lanes unroll chunk tail stream"),
                       ("x" * 5000, "list.txt:1: 5000 characters; a schedule has 1000 at most")):
        write("list.txt", text)
        run("tune", "relu x=30", "--candidates", "list.txt", cache="none-yet", status=3, says=says)
    write("list.txt", "unroll=4 # mine\nunroll=4\n\nunroll=1\n")
    tried = json.loads(run("tune", "relu x=3000", "--candidates", "list.txt", "--json", "-", cache="listed"))["rows"][0]["candidates"]
    check(len(tried) == 2, f"two schedules were given, one of them twice: {tried}")
    # A part without ops ends well, as jobs of an array must; a pinned op keeps what is pinned.
    out = run("tune", "relu x=30", "--shard", "2/2", cache="none-yet", says="tune: part 2/2 has nothing to do: 1 op in all")
    check("relu" not in out, f"a part of nothing: {out}")
    run("tune", "relu x=30", "--samples", "no/such/samples.csv", cache="none-yet", status=4, says="no/such/samples.csv: cannot write")
    check(not os.path.exists("none-yet"), "a command that was refused, or had nothing to do, left something behind")
    run("tune", "relu x=3000", "--pin", "unroll=1", cache="listed")
    run("tune", "relu x=3000", cache="listed", says="relu x=3000 is pinned: it runs lanes=")

    # A model whose products are on record with a schedule that is slow: what was never replayed is, and taken back, once.
    slow, model = "mr=1 nr=4 lanes=4", ["tune", "--model", "smallmind-small", "--json", "-"]
    with open("cache/records.txt", encoding="utf-8") as file:
        cpu = re.search(r'cpu="([^"]*)"', file.readline()).group(1)
    ops = [row["op"] for row in json.loads(run(*model, "--effort", "estimate", cache="slow"))["rows"]]
    default = {op: json.loads(run("show", op, "--stage", "space", "--json", "-"))["schedules"][0]["schedule"] for op in ops}
    os.makedirs("slow", mode=0o700, exist_ok=True)
    write("slow/records.txt", "".join(
        summed(f'tuned op="{op}" cpu="{cpu}" schedule="{slow if op.startswith("matmul") else default[op]}" ratio=1.5 median_ns=100 candidates=3 '
               "effort=measure date=2026-11-29T00:00:00Z") for op in ops))
    products = [op for op in ops if op.startswith("matmul")]
    check("lanes=4" in json.loads(run("explain", products[0], "--json", "-", cache="slow"))["schedule"], "a record is not used")
    said = json.loads(run(*model, cache="slow"))
    check(said["summary"]["tuned_before"] == len(ops), f"tuned before: {said['summary']}")
    replayed = [(row["kernels"], row["ops"], row["taken_back"]) for row in said.get("replay", [])]
    check(replayed == [("matmul", len(products), True)], f"replayed: {replayed}")
    for op in products:
        check(json.loads(run("explain", op, "--json", "-", cache="slow"))["schedule"] == default[op], f"{op}: is not taken back")
    check("replay" not in json.loads(run(*model, cache="slow")), "a model is replayed that runs its defaults")

check.finish(120)
