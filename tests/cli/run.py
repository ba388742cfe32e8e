#!/usr/bin/env python3
"""tests/cli/run.py QUERN — the commands as a user runs them: eval, show round trip, tune, cache, compare, emit with a C program."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, npy, read_npy, write

quern = os.path.abspath(sys.argv[1])
expect = Checks(stops=True)


def run(*arguments, status=0, **more):
    return expect.run(quern, *arguments, status=status, **more)


C_PROGRAM = r"""
#include <stdio.h>
#include "kernels.h"
int main(void) {
  float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 0, 1, 1, 1}, bias[2] = {10, 20}, c[4];
  const void* buffers[] = {a, b, bias, c};
  int64_t strides[] = {3, 2, 2};
  QuernArgs args = {buffers, 0, strides, 0, 0, 0};
  SYMBOL(&args, 0, SYMBOL_tasks(0));
  printf("%g %g %g %g\n", c[0], c[1], c[2], c[3]);
  return 0;
}
"""

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ["QUERN_CACHE_DIR"] = os.path.join(folder, "cache")

    # eval: C and Fortran order, dimensions from the arrays, ids.
    write("a.npy", npy([1, 2, 3, 4, 5, 6], "(2, 3)"))
    write("f.npy", npy([1, 4, 2, 5, 3, 6], "(2, 3)", order="True"))
    write("b.npy", npy([1, 0, 0, 1, 1, 1], "(3, 2)"))
    for first in ("a.npy", "f.npy"):
        run("eval", "matmul", first, "b.npy", "-o", "c.npy")
        expect(read_npy("c.npy")[1] == [4, 5, 10, 11], "matmul of 2x3 and 3x2")
    expect("(2, 2)" in read_npy("c.npy")[0], "the result's shape")
    write("ids.npy", npy([2, 0], "(2,)", descr="<i8"))
    run("eval", "embedding", "ids.npy", "b.npy", "-o", "rows.npy")
    expect(read_npy("rows.npy")[1] == [1, 1, 1, 0], "embedding")
    for descr in ("|u1", "<i2"):
        write("small.npy", npy([2, 0, 1, 2], "(2, 2)", descr=descr))
        run("eval", "embedding", "small.npy", "b.npy", "-o", "rows.npy")
        expect(read_npy("rows.npy")[1] == [1, 1, 1, 0, 0, 1, 1, 1] and "(2, 2, 2)" in read_npy("rows.npy")[0], f"ids of {descr}, in two dimensions")
    write("ends.npy", npy([-1, -3], "(2,)", descr="<i4"))
    run("eval", "embedding", "ends.npy", "b.npy", "-o", "rows.npy")
    expect(read_npy("rows.npy")[1] == [1, 1, 1, 0], "ids from the end")
    write("far.npy", npy([-4], "(1,)", descr="<i4"))
    expect("ids are -3 to 2" in run("eval", "embedding", "far.npy", "b.npy", "-o", "no.npy", status=3).stderr, "an id before the first row")
    write("pairs.npy", npy([0x3F80, 0xC040], "(2,)", descr="|V2"))
    run("eval", "cast from=bf16", "pairs.npy", "-o", "wide.npy")
    expect(read_npy("wide.npy")[1] == [1, -3], "bf16 as it is")
    run("eval", "cast to=f32", "pairs.npy", "-o", "wide.npy", "--dtype", "bf16")
    expect(read_npy("wide.npy")[1] == [1, -3], "bf16 by its flag")
    expect("--dtype f64: bf16 is what |V2 can hold" in run("eval", "cast", "pairs.npy", "-o", "no.npy", "--dtype", "f64", status=2).stderr, "another type for |V2")
    write("half.npy", npy([0.5, -2, 65504, 6e-8], "(4,)", descr="<f2"))
    run("eval", "cast from=f16", "half.npy", "-o", "wide.npy")
    expect(read_npy("wide.npy")[1] == [0.5, -2, 65504, 2**-24], "f16 as it is")
    expect("descr is '<f2' (f16), f32 is needed for x: .astype('<f4') makes it" in run("eval", "softmax", "half.npy", "-o", "no.npy", status=3).stderr, "f16 where f32 is needed")
    # A weight of bytes with a scale for each column: 127 is the row's largest, so that its numbers are their codes.
    write("codes.npy", npy([127, 2, 3, -4, 127, 6], "(2, 3)"))
    write("bytes.npy", npy([1, -128, 0, 1, 1, 127], "(3, 2)", descr="|i1"))
    write("scales.npy", npy([2, 0.5]))
    run("eval", "matmul const=b w=i8 a=i8", "codes.npy", "bytes.npy", "scales.npy", "-o", "whole.npy")
    whole = read_npy("whole.npy")[1]
    expect(all(abs(got - right) <= 1e-6 * abs(right) for got, right in zip(whole, [260, -7936.5, 4, 700.5])), f"whole numbers: {whole}")
    expect("bytes.npy: descr is '|i1' (i8), f32 is needed for x" in run("eval", "softmax", "bytes.npy", "-o", "no.npy", status=3).stderr, "i8 where f32 is needed")
    expect("codes.npy: descr is '<f4' (f32), i8 is needed for B" in run("eval", "matmul const=b tb=1 w=i8 a=i8", "codes.npy", "codes.npy", "scales.npy", "-o", "no.npy", status=3).stderr,
           "f32 where i8 is needed")
    run("eval", "map expr='a * 2 - 1' a=2x3", "a.npy", "-o", "m.npy")
    expect(read_npy("m.npy")[1] == [1, 3, 5, 7, 9, 11], "map")
    run("eval", "matmul acc=1", "a.npy", "b.npy", "c.npy", "-o", "acc.npy")
    expect(read_npy("acc.npy")[1] == [8, 10, 20, 22], "acc")

    # The second start of the same command compiles nothing and does not load the code generator.
    again = run("eval", "matmul", "a.npy", "b.npy", "-o", "c.npy", "--log", "dispatch")
    expect("from cache" in again.stderr and "code generator" not in again.stderr, again.stderr)

    # show --loops of the printed loops gives the same assembly.
    for op in ("matmul m=20 n=33 k=17 ep=bias+gelu_tanh", "softmax x=4x100 causal=1", "attention heads=2 head_dim=8 q=* kv=*"):
        for cpu in ("haswell", "x86-64-v4", "neoverse-v1"):
            direct = run("show", op, "--cpu", cpu, "--stage", "asm").stdout
            open("k.loops", "w").write(run("show", op, "--cpu", cpu, "--stage", "loops").stdout)
            expect(run("show", op, "--cpu", cpu, "--loops", "k.loops", "--stage", "asm").stdout == direct, f"{op} on {cpu}")
    for stage in ("schedule", "space", "signature", "loops", "llvm", "llvm-opt", "asm", "reference"):
        expect(len(run("show", "gelu x=100", "--stage", stage).stdout) > 50, stage)

    # verify says no of a wrong loop program.
    text = run("show", "add a=64 b=64", "--stage", "loops").stdout
    open("wrong.loops", "w").write(text.replace("(e + e_2)", "(e - e_2)"))
    expect("(e - e_2)" in open("wrong.loops").read(), "the edit")
    run("verify", "add a=64 b=64", "--loops", "wrong.loops", status=1)
    # What a loop program may not do is refused before it runs.
    outside = re.sub(r"store out\[(.*)\] =", r"store out[(\1 + 64)] =", text)
    for bad, says in ((outside, "are outside out[64]"), (text.replace("isa x86-64", "isa x86-99"), "is no base level")):
        expect(bad != text, f"the edit for {says}")
        open("bad.loops", "w").write(bad)
        done = run("verify", "add a=64 b=64", "--loops", "bad.loops", status=3)
        expect(says in done.stderr, done.stderr)

    # A batch of one keeps its place, said or not.
    write("a1.npy", npy([1, 2, 3, 4, 5, 6], "(1, 2, 3)"))
    write("b1.npy", npy([1, 0, 0, 1, 1, 1], "(1, 3, 2)"))
    for form in ("matmul", "matmul batch=1", "matmul batch=*"):
        run("eval", form, "a1.npy", "b1.npy", "-o", "c1.npy")
        expect("(1, 2, 2)" in read_npy("c1.npy")[0] and read_npy("c1.npy")[1] == [4, 5, 10, 11], form)

    rows = json.loads(run("verify", "add a=64 b=64", "--json", "-").stdout)["rows"]
    expect(rows[0]["passed"] and rows[0]["cases"] > 10 and rows[0]["worst_error_over_limit"] <= 1, "verify --json")

    rows = json.loads(run("verify", "--suite", "maths", "--exhaustive", "--stride", "1000003", "--cache", "levels", "--json", "-").stdout)["rows"]
    expect(len(rows) >= 14 and all(row["passed"] and row["cases"] == 4295 for row in rows), "verify --exhaustive")
    expect(any(row["fma"] for row in rows) and not all(row["fma"] for row in rows), "levels with and without fma")

    # tune, then the tuned schedule is what runs; pin and unpin.
    run("tune", "matmul m=32 n=32 k=32", "--quiet", "--budget", "60s")
    expect("(tuned)" in run("show", "matmul m=32 n=32 k=32").stdout, "tuned")
    run("tune", "matmul m=32 n=32 k=32", "--pin", "mr=2 nr=16 lanes=4")
    expect("(pinned) mr=2 nr=16" in run("show", "matmul m=32 n=32 k=32").stdout, "pinned")
    run("tune", "matmul m=32 n=32 k=32", "--unpin")
    expect("(tuned)" in run("show", "matmul m=32 n=32 k=32").stdout, "unpinned")

    # Ctrl-C keeps what is done and says so; the same command goes on.
    interrupted = subprocess.Popen([quern, "tune", "--suite", "transformer-f32", "--effort", "patient"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(6)
    interrupted.send_signal(signal.SIGINT)
    said = interrupted.communicate(timeout=120)[1]
    expect(interrupted.returncode == 130 and "the same command goes on" in said, said[-300:])

    # A program that only runs kernels links no LLVM.
    linked = subprocess.run(["ldd", quern], capture_output=True, text=True, check=True).stdout
    expect(not re.search("LLVM|dnnl|blas|blis", linked), linked)

    # cache
    expect(run("cache", "path").stdout.strip() == os.environ["QUERN_CACHE_DIR"], "cache path")
    run("cache", "verify")
    run("cache", "export", "all.qks")
    run("cache", "import", "all.qks", "--cache", "other")
    listed = json.loads(run("cache", "list", "--cache", "other", "--json", "-").stdout)["rows"]
    expect(len(listed) > 3 and all(row["standing"] == "exact" for row in listed), "cache list")
    victim = os.path.join("other", "kernels", sorted(os.listdir("other/kernels"))[0])
    data = bytearray(open(victim, "rb").read())
    data[len(data) // 2] ^= 1
    open(victim, "wb").write(data)
    run("cache", "verify", "--cache", "other", status=1)

    # compare reproduces the recorded report.
    report = run("compare", "smallmind:baseline", "smallmind:current").stdout
    for figure in ("+56.5 %", "-86.7 %", "+465.0 %", "+188.5 %", "+161.0 %", "+19.3 %", "+76.1 %", "+55.3 %", "+62.1 %", "-81.3 %", "+0.0 %", "-33.3 %", "-96.3 %", "-83.2 %", "+181.7 %",
                   "-68.4 %", "-19.5 %", "+82.0 %", "+120.7 %", "+297.3 %", "matmul: +161 to +465 %, 3 of 4 rows"):
        expect(figure in report, figure)
    order = [report.index(f"\n{title}\n") for title in ("Totals", "Models", "Operations", "Memory", "Improvements", "Regressions", "Trends", "Action items")]
    expect(order == sorted(order), "the order of the report")
    run("compare", "smallmind:baseline", "smallmind:current", "--fail-above", "10", status=1)
    run("compare", "smallmind:current", "smallmind:current", "--fail-above", "10")
    run("compare", "smallmind:baseline", "smallmind:current", "--format", "markdown", "-o", "report.md")
    expect("## Action items" in open("report.md").read(), "markdown")
    brief = run("compare", "smallmind:baseline", "smallmind:best", "--format", "summary").stdout.splitlines()
    expect(brief[0] == "19 of 19 rows of smallmind:baseline are faster, 0 the same within noise, 0 slower", f"summary: {brief[0]}")
    expect(brief[1].split()[:3] == ["best", "gelu-10000", "39x"] and brief[3].split()[:3] == ["worst", "softmax-1024", "1.07x"], f"summary: {brief}")
    expect(len(brief) <= 10 and any(line.split()[:3] == ["model", "smallmind-medium", "3.57x"] for line in brief), f"summary: {brief}")
    slower = run("compare", "smallmind:current", "smallmind:baseline", "--format", "summary").stdout.splitlines()[0]
    expect(not slower.endswith(" 0 slower") and not slower.startswith("19 "), f"summary: {slower}")

    # The example in the IR's manual is a program.
    manual = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../compiler/loops/ir/LoopProgram.h")).read()
    write("manual.loops", re.sub("(?m)^//   ", "", re.search("(?m)(^//   .*\n)+", manual)[0]))
    expect("phase t tasks ((m + 3) / 4)" in run("show", "--loops", "manual.loops").stdout, "the manual's example")
    expect("vfmadd" in run("show", "--loops", "manual.loops", "--stage", "asm").stdout, "its code")

    # verify --loops of any size: a clamped sum is found wrong, also where Inf is right.
    program = run("show", "add a=*x* b=*x*", "--stage", "loops", "--cpu", "haswell").stdout
    open("good.loops", "w").write(program)
    expect("yes" in run("verify", "add a=*x* b=*x*", "--loops", "good.loops", "--cpu", "haswell").stdout, "verify --loops of any size")
    for limit in ("0.5fx8", "3.4028235e+38fx8"):
        open("bad.loops", "w").write(re.sub(r"\((e\w* \+ e\w*)\)", rf"min((\1), {limit})", program))
        expect("NO" in run("verify", "add a=*x* b=*x*", "--loops", "bad.loops", "--cpu", "haswell", status=1).stdout, limit)
    # Pieces for one's own search: the space as JSON, two schedules in turn.
    space = json.loads(run("show", "matmul m=64 n=64 k=64", "--stage", "space", "--json", "-", "--cpu", "haswell").stdout)
    lines = run("show", "matmul m=64 n=64 k=64", "--stage", "space", "--cpu", "haswell").stdout.split("\n")[1:-1]
    expect([row["schedule"] for row in space["schedules"]] == [line.split("  #")[0] for line in lines] and len(lines) > 20, "the same space")
    expect(space["schedules"][0]["predicted"] == 1 and all(row["cycles"] > 0 for row in space["schedules"]) and int(space["combinations"]) > len(lines), "its costs")
    two = json.loads(run("bench", "matmul m=96 n=96 k=96", "--schedule", "default", "--schedule", "mr=1 nr=8 lanes=8 pack=none", "--cpu", "haswell", "--threads", "1", "--json", "-").stdout)
    expect(two["ratio"]["low"] <= two["ratio"]["median"] <= two["ratio"]["high"] and two["verdict"] == "the first is faster" and "mr=1" in two["second"]["schedule"], two)
    op = "matmul m=40 n=40 k=40"
    open("mine.txt", "w").write("# mine\nmr=1 nr=8 lanes=8 pack=none\nmr=2 nr=16 lanes=8  # wide\n\n")
    tuned = json.loads(run("tune", op, "--candidates", "mine.txt", "--cpu", "haswell", "--quiet", "--json", "-", "--cache", "given").stdout)["rows"][0]
    expect([row["schedule"].split(" mc=")[0] for row in tuned["candidates"]] == ["mr=1 nr=8", "mr=2 nr=16"] and tuned["finished"], tuned)
    expect(all(row["outcome"] in ("won", "slower", "no difference") for row in tuned["candidates"]), tuned)
    expect("effort=candidates" in open("given/records.txt").read(), "its record")
    open("mine.txt", "w").write("mr=2 nr=16 lanes=8\nmr=two\n")
    expect("mine.txt:2: " in run("tune", op, "--candidates", "mine.txt", "--cpu", "haswell", status=3).stderr, "a bad line")
    expect("goes with an op" in run("tune", "--suite", "maths", "--candidates", "mine.txt", status=2).stderr, "a suite")
    expect("two meet" in run("bench", "add a=8 b=8", *["--schedule", "default"] * 3, status=2).stderr, "three schedules")

    # emit: a plain C program calls an emitted kernel; repeated, the bundle has the same bytes.
    op = "matmul m=2 n=2 k=3 ep=bias"
    run("emit", op, "-o", "one")
    run("emit", op, "-o", "two")
    names = sorted(os.listdir("one"))
    expect(names == sorted(os.listdir("two")), "the same files")
    for name in names:
        expect(open(f"one/{name}", "rb").read() == open(f"two/{name}", "rb").read(), f"{name} is the same")
    symbol = next(name[:-2] for name in names if name.endswith(".o"))
    open("call.c", "w").write(C_PROGRAM.replace("SYMBOL", symbol))
    for library in ("libquern_kernels.a", "libquern_kernels.so"):
        subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", "-Ione", "call.c", f"one/{library}", "-o", "call", "-Wl,-rpath,one"], check=True)
        expect(subprocess.run(["./call"], capture_output=True, text=True, check=True).stdout == "14 25 20 31\n", library)
    run("emit", op, "-o", "many", "--cpu", "haswell,x86-64,neoverse-v1")
    expect(len([name for name in os.listdir("many") if name.endswith(".o")]) == 3, "three CPUs")
    # A new bundle in an old one's place leaves nothing of it, and everything else; files of others are not written over.
    open("many/notes.o", "w").write("mine")
    run("emit", op, "-o", "many")
    expect(sorted(os.listdir("many")) == sorted([*names, "notes.o"]), os.listdir("many"))
    os.mkdir("theirs")
    open("theirs/kernels.h", "w").write("mine")
    refusal = run("emit", op, "-o", "theirs", status=3)
    expect("theirs/kernels.h: is there" in refusal.stderr and open("theirs/kernels.h").read() == "mine" and os.listdir("theirs") == ["kernels.h"], refusal.stderr)

    # bench --json and --record; a closed stdout ends quietly.
    row = json.loads(run("bench", "add a=1000 b=1000", "--json", "-", "--quiet").stdout)["rows"][0]
    expect(row["warm_ns"] > 0 and row["warm_ns_low"] <= row["warm_ns"] <= row["warm_ns_high"] and row["schedule_from"] == "default", "bench --json")

    # bench --against: every peer has a ratio with the path it took, or is said to be absent; what peers cannot do has a reason.
    names = ["onednn", "openblas", "blis", "eigen"]
    for op, threads in (("matmul m=64 n=64 k=64 const=b", "2"), ("matmul m=33 n=17 k=29 batch=3 ta=1 tb=1 acc=1", "1"),
                        ("matmul m=1 n=96 k=64 const=b tb=1 ep=bias+gelu_tanh+residual", "1"), ("matmul m=40 n=1 k=56 ep=silu", "1")):
        peers = json.loads(run("bench", op, "--against", ",".join(names), "--json", "-", "--quiet", "--threads", threads).stdout)["rows"][0]["peers"]
        expect(list(peers) == names, peers)
        for name, peer in peers.items():
            good = "absent" in peer or (0 < peer["ratio_low"] <= peer["ratio"] <= peer["ratio_high"] and peer["ns"] > 0 and peer["ceiling_percent"] > 0 and peer["path"] and peer["version"])
            expect(good, f"{op}, {name}: {peer}")
    # Vector ops in a suite: onednn has a ratio or is absent, and where no primitive fits there is a reason; eigen has matmul only.
    can = ["gelu x=1000 form=tanh", "log x=1000", "add a=4x5x6 b=5x1", "mul a=7 b=30x7", "div a=1000 b=1000", "softmax x=3x40", "softmax x=3x40x2 axis=1",
           "layernorm x=5x2x64", "reduce x=9x17 axis=1 f=mean", "reduce x=9x17 axis=0 f=max"]
    cannot = ["sub a=7 b=30x7", "add a=5x1 b=1x6", "erf x=64", "softmax x=4x4 causal=1", "softmax x=4x4 scale=0.5", "relu x=0"]
    with open("vector.toml", "w") as file:
        file.write("".join(f"[[op]]\ntext = '{op}'\n" for op in can + cannot))
    rows = json.loads(run("bench", "--suite", "vector.toml", "--against", "onednn,eigen", "--json", "-", "--quiet", "--threads", "1").stdout)["rows"]
    expect(len(rows) == len(can + cannot), rows)
    for index, row in enumerate(rows):
        onednn, eigen = row["peers"]["onednn"], row["peers"]["eigen"]
        expect("absent" in onednn or (onednn["ratio"] > 0 if index < len(can) else onednn["reason"]), row)
        expect("absent" in eigen or eigen["reason"], row)
    for op in ("relu x=64", "matmul m=8 n=8 k=8 ep='tanh(x)'", "matmul m=0 n=8 k=8"):
        peers = json.loads(run("bench", op, "--against", "blis,eigen", "--json", "-", "--quiet").stdout)["rows"][0]["peers"]
        expect(all("ratio" not in peer and ("absent" in peer or "reason" in peer) for peer in peers.values()), peers)
    table = run("bench", "matmul m=64 n=64 k=64", "--against", "eigen", "--quiet").stdout
    expect("speed vs eigen" in table and ("eigen: absent (run tools/peers/install)" in table or "against the fastest peer" in table), table)
    closed = subprocess.run(["sh", "-c", f"'{quern}' ops | head -n 1"], capture_output=True, text=True)
    expect(closed.stderr == "", closed.stderr)
    for command in ("cpu", "ops", "show", "eval", "verify", "tune", "explain", "bench", "compare", "report", "cache", "emit", "info", "tokenize"):
        expect("Examples" in run(command, "--help").stdout, command)

expect.finish(100)
