#!/usr/bin/env python3
"""tests/errors/run.py QUERN CASES — every message whole, with its exit status; malformed arrays and TOML on top."""
import os
import shlex
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, npy, ran, write

quern, cases = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
checks = Checks()


def run(arguments, folder):
    done = ran(quern, *arguments, cwd=folder, env=caching(os.path.join(folder, "cache")), timeout=60)
    return done.returncode, done.stderr.strip()


def check(arguments, folder, status, message, absent=None):
    got = run(arguments, folder)
    checks(got == (status, message), f"quern {shlex.join(arguments)}\n  expected {status} {message}\n  got      {got[0]} {got[1]}")
    if absent and os.path.exists(os.path.join(folder, absent)):
        checks.wrong(f"quern {shlex.join(arguments)}: wrote {absent}")


def array(data=bytes(16), shape="(2, 2)", **header):
    return npy(data, shape, **header)


with tempfile.TemporaryDirectory() as folder:
    lines = [line.rstrip("\n") for line in open(cases, encoding="utf-8") if line.strip() and not line.startswith("#")]
    for first, message in zip(lines[0::2], lines[1::2]):
        words = shlex.split(first)
        check(words[1:], folder, int(words[0]), message)

    good = array()
    bad = {
        "magic.npy": (array(magic=b"\x93NUMPX"), "the first bytes are not \\x93NUMPY: not a .npy file"),
        "short.npy": (good[:8], "truncated: 8 bytes"),
        "header.npy": (good[:60], "the header should have 118 bytes, the file has 50"),
        "data.npy": (good[:-1], "shape 2x2 needs 4 elements of 4 bytes, the file has 15 bytes of data"),
        "huge.npy": (array(shape="(18446744073709551616,)"), "shape has the dimension 18446744073709551616, whole numbers from 0 to 2^63 - 1 are needed"),
        "wrap.npy": (array(shape="(4294967296, 4294967296)"), "shape 4294967296x4294967296 has more than 2^63 elements"),
        "large.npy": (array(shape="(1099511627776, 2)"), "shape 1099511627776x2 needs 2199023255552 elements of 4 bytes, the file has 16 bytes of data"),
        "negative.npy": (array(shape="(-2, 2)"), "shape has the dimension -2, whole numbers from 0 to 2^63 - 1 are needed"),
        "object.npy": (array(descr="|O"), "descr is '|O'; those of numbers are '<f4' (f32), '<f2' (f16), '|V2' (bf16), '<f8' (f64), '|i1' (i8), '<i2' (i16), '<i4' (i32), '<i8' (i64), '|u1' (u8), '<u2' (u16), '<u4' (u32), '<u8' (u64), '|b1' (bool)"),
        "double.npy": (array(descr="<f8", shape="(2, 1)"), "descr is '<f8' (f64), f32 is needed for a: .astype('<f4') makes it"),
        "order.npy": (array(order="Maybe"), "fortran_order is 'Maybe', True or False is needed"),
        "version.npy": (array(version=9), "format version 9, 1 to 3 are known"),
    }
    write(os.path.join(folder, "good.npy"), good)
    for name, (content, message) in bad.items():
        write(os.path.join(folder, name), content)
        check(["eval", "add", name, "good.npy", "-o", "out.npy"], folder, 3, f"quern: {name}: {message}", absent="out.npy")
    check(["eval", "add", "a=3x2", "good.npy", "good.npy", "-o", "out.npy"], folder, 3,
          "quern: map: a=3x2 does not broadcast with the other operands to 2x2: axis 0 is 3, not 1 or 2", absent="out.npy")
    check(["eval", "softmax", "x=3x2", "good.npy", "-o", "out.npy"], folder, 3,
          "quern: softmax x=3x2: input 1 (x) is 2x2: dimension 0 (d0) is 2, 3 needed", absent="out.npy")
    check(["eval", "add", "a=2x2", "b=2x2", "good.npy", "-o", "out.npy"], folder, 3,
          "quern: add a=2x2 b=2x2: 1 inputs given, 2 needed", absent="out.npy")
    for name, shape, data in (("row.npy", "(4,)", bytes(16)), ("cube.npy", "(1, 2, 2)", bytes(16)), ("one.npy", "()", bytes(4))):
        write(os.path.join(folder, name), array(data, shape))
    for inputs, message in ((["row.npy", "good.npy"], "matmul m=1 n=2 k=4 vector=a: input 2 (B) is 2x2: dimension 0 (k) is 2, 4 needed"),
                            (["good.npy", "row.npy"], "matmul m=2 n=1 k=2 vector=b: input 2 (B) is 4: dimension 0 (k) is 4, 2 needed"),
                            (["cube.npy", "one.npy"], "matmul: input 2 (B) is a single value, 2 dimensions needed"), (["one.npy", "good.npy"], "matmul: input 1 (A) is a single value, 2 dimensions needed"),
                            (["good.npy"], "matmul: 1 input given, 2 needed")):
        check(["eval", "matmul", *inputs, "-o", "out.npy"], folder, 3, f"quern: {message}", absent="out.npy")
    check(["eval", "attention", "good.npy", "cube.npy", "cube.npy", "-o", "out.npy"], folder, 3, "quern: attention: input 1 (Q) is 2x2, 3 dimensions needed", absent="out.npy")
    for name, shape, data, kind in (("pair.npy", "(3, 2, 2)", bytes(48), "<f4"), ("rows.npy", "(1, 1, 2, 2)", bytes(16), "<f4"),
                                    ("long.npy", "(1,)", (9).to_bytes(4, "little"), "<i4")):
        write(os.path.join(folder, name), array(data, shape, descr=kind))
    write(os.path.join(folder, "two.npy"), array(bytes(32), "(2, 2, 2)"))
    check(["eval", "matmul", "pair.npy", "two.npy", "-o", "out.npy"], folder, 3,
          "quern: matmul m=2 n=2 k=2 batch=3: input 2 (B) is 2x2x2: dimension 0 (batch) is 2, 3 needed", absent="out.npy")
    check(["eval", "matmul", "batch=*", "pair.npy", "good.npy", "two.npy", "-o", "out.npy"], folder, 3,
          "quern: matmul m=2 n=2 k=2 batch=* batch_b=scalar: 3 inputs given, 2 needed", absent="out.npy")
    check(["eval", "attention", "rows.npy", "rows.npy", "rows.npy", "long.npy", "-o", "out.npy"], folder, 3,
          "quern: long.npy: element 0 is 9, lens are 0 to 1", absent="out.npy")
    check(["eval", "embedding", "row.npy", "row.npy", "-o", "out.npy"], folder, 3, "quern: embedding: input 2 (table) is 4, 2 dimensions needed", absent="out.npy")
    check(["eval", "softmax", "good.npy", "-o", "no/such/folder/out.npy", "--quiet"], folder, 4,
          "quern: no/such/folder/out.npy: cannot write: No such file or directory")

    tomls = {
        "syntax.toml": ("[[op]]\ntext = \"add a=3 b=3\n", None),
        "key.toml": ("[[op]]\ntxt = \"add a=3 b=3\"\n", "key.toml:2:7: unknown key 'txt', did you mean 'text'?"),
        "both.toml": ("[[op]]\ntext = \"add a=3 b=3\"\na = 3\n", "both.toml:2:8: an op has text = \"...\" or its keys apart, not both"),
        "misspelt.toml": ("[[op]]\nop = \"add\"\na = 3\nbb = 3\n", "misspelt.toml:4:6: add: unknown key 'bb', did you mean 'b'?; keys: a b"),
        "kind.toml": ("[[op]]\ntext = 3\n", "kind.toml:2:8: 'text' is a whole number, a string is needed"),
        "beside.toml": ("[[op]]\ntext = \"add a=3 b=3\"\nschedul = \"lanes=4\"\n", "beside.toml:3:11: unknown key 'schedul', did you mean 'schedule'?"),
        "twice.toml": ("[[op]]\nid = \"x\"\ntext = \"add a=3 b=3\"\n[[op]]\nid = \"x\"\ntext = \"add a=3 b=3\"\n", "twice.toml:4:1: id 'x' is given twice"),
        "schedule.toml": ("[[op]]\nid = \"x\"\ntext = \"add a=3 b=3\"\nschedule = \"foo=8\"\n", "schedule.toml:1:1: op 'x': map schedule: unknown key 'foo'; keys: lanes unroll chunk tail"),
        "table.toml": ("[[ops]]\ntext = \"add a=3 b=3\"\n", "table.toml:1:1: unknown key 'ops', did you mean 'op'?; keys: suite op"),
        "none.toml": ("", "none.toml:1:1: no [[op]] in it"),
    }
    for name, (content, message) in tomls.items():
        write(os.path.join(folder, name), content)
        status, said = run(["verify", "--suite", name], folder)
        checks(status == 3 and said.startswith(f"quern: {message or name + ':2:'}"), f"verify --suite {name}: {status} {said}")
    # Loop programs that users edit.
    write(os.path.join(folder, "bad.loops"), "loops \"x\"\nisa x86-64\nbuffer A : f32 in [4] strides [1]\nphase t tasks 1 {\n  store A[0] = 1f\n}\n")
    check(["show", "add", "a=4", "b=4", "--loops", "bad.loops", "--stage", "asm"], folder, 3,
          "quern: bad.loops: loop program 'x': store to A, which is read only")
    write(os.path.join(folder, "other.loops"), ran(quern, "show", "relu", "x=64", "--stage", "loops").stdout)
    check(["verify", "relu", "x=32", "--loops", "other.loops"], folder, 3,
          "quern: other.loops: has 'buffer x : f32 in [64] strides [1]' where relu x=32 needs 'buffer x : f32 in [32] strides [1]'")
    write(os.path.join(folder, "open.loops"), "loops \"x\"\nisa x86-64\nphase t tasks 1 {\n")
    check(["show", "add", "a=4", "b=4", "--loops", "open.loops", "--stage", "asm"], folder, 3, "quern: open.loops:4: a statement (for, unroll, let, store, stream, reg, set, if, flushed, prefetch, prefetch_l2, tiles, tile_zero, tile_load, tile_store, tile_dot) expected, not the end of the file")

checks.finish(40)
