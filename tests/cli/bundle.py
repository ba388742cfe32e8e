#!/usr/bin/env python3
"""tests/cli/bundle.py QUERN — a bundle of an op of any row count: a C program runs its kernels of few and of many rows on weights of every
type, packed by the bundle's own header; `--bundle` runs the same; what is wrong with a bundle is said."""
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, npy, write

quern = os.path.abspath(sys.argv[1])
expect = Checks(stops=True)
N, K, ROWS = 40, 256, (1, 7, 300)
# Elements and bytes of a block.
TYPES = {"f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "q8_0": (32, 34), "q4_0": (32, 18), "q4_K": (256, 144), "q6_K": (256, 210), "i8": (1, 1),
         "q4_1": (32, 20), "q5_0": (32, 22), "q5_1": (32, 24), "q2_K": (256, 84), "q3_K": (256, 110), "q5_K": (256, 176), "iq4_nl": (32, 18), "iq4_xs": (256, 136), "mxfp4": (32, 17)}

C_PROGRAM = """
#include "bundle/kernels.h"
#include <stdio.h>
#include <stdlib.h>

static void* slurp(const char* name, size_t bytes) {
  void* data = malloc(bytes);
  FILE* file = fopen(name, "rb");
  if (!data || !file || fread(data, 1, bytes, file) != bytes) exit(2);
  fclose(file);
  return data;
}

int main(void) {
  const int64_t rows[] = {ROWS};
  float* a = slurp("a.bin", 300 * K * sizeof(float));
  void* weight = slurp("w.bin", WEIGHT_BYTES);
  float* scales = slurp("s.bin", N * sizeof(float));
  void* packed = malloc((size_t)quern_packed_bytes(&NAME_packing));
  quern_pack_weight(&NAME_packing, packed, weight);
  FILE* result = fopen("out.bin", "wb");
  for (int i = 0; i < 3; ++i) {
    const int64_t dims[] = {rows[i]}, strides[] = {K, N};
    float* out = malloc((size_t)rows[i] * N * sizeof(float));
    const void* buffers[] = {a, packed, BETWEEN out};
    QuernArgs args = {buffers, dims, strides, 0, malloc((size_t)NAME_shared_scratch(dims) + 1), malloc((size_t)NAME_thread_scratch(dims) + 1)};
    int64_t first = 0;
    for (int phase = 0; NAME_phase_tasks(dims, phase) > 0; ++phase) {
      int64_t tasks = NAME_phase_tasks(dims, phase);
      for (int64_t t = 0; t < tasks; ++t) NAME_kernel(dims)(&args, first + t, first + t + 1); /* a task at a time */
      first += tasks;
    }
    if (first != NAME_tasks(dims) || fwrite(out, sizeof(float), (size_t)rows[i] * N, result) != (size_t)rows[i] * N) return 3;
    const int64_t one[] = {1}, many[] = {300};
    if (NAME_kernel(one) == NAME_kernel(many)) return 4; /* few rows have a kernel of their own */
  }
  free(scales);
  return fclose(result);
}
"""


def run(*arguments, status=0):
    return expect.run(quern, *arguments, status=status)


def half(bytes_):
    return struct.unpack("<e", bytes_)[0]


def block(kind, draw):
    """The bytes of one random block and its values."""
    scale = struct.pack("<e", draw.uniform(0.01, 0.1))
    if kind == "f32":
        data = struct.pack("<f", draw.uniform(-1, 1))
        return data, list(struct.unpack("<f", data))
    if kind == "f16":
        data = struct.pack("<e", draw.uniform(-1, 1))
        return data, [half(data)]
    if kind == "bf16":
        data = struct.pack("<f", draw.uniform(-1, 1))[2:]
        return data, list(struct.unpack("<f", b"\0\0" + data))
    if kind == "i8":
        code = draw.randint(-128, 127)
        return struct.pack("<b", code), [code]
    if kind == "q8_0":
        codes = [draw.randint(-127, 127) for _ in range(32)]
        return scale + struct.pack("<32b", *codes), [half(scale) * q for q in codes]
    if kind == "q4_0":
        codes = draw.randbytes(16)
        return scale + codes, [half(scale) * (q - 8) for q in [b & 15 for b in codes] + [b >> 4 for b in codes]]
    if kind == "q4_K":
        least, packed, codes = struct.pack("<e", draw.uniform(0.01, 0.1)), draw.randbytes(12), draw.randbytes(128)
        values = []
        for s in range(8):
            high = packed[4 + s] if s >= 4 else 0
            d = packed[s] & 63 if s < 4 else (high & 15) | (packed[s - 4] >> 6 << 4)
            m = packed[4 + s] & 63 if s < 4 else (high >> 4) | (packed[s] >> 6 << 4)
            values += [half(scale) * d * ((codes[32 * (s // 2) + i] >> 4 * (s % 2)) & 15) - half(least) * m for i in range(32)]
        return scale + least + packed + codes, values
    if kind != "q6_K":
        return newer_block(kind, scale, draw)
    low, high, scales = draw.randbytes(128), draw.randbytes(64), [draw.randint(-63, 63) for _ in range(16)]
    values = []
    for k in range(256):
        h, g, i = k // 128, k // 32 % 4, k % 32
        q = ((low[64 * h + 32 * (g % 2) + i] >> 4 * (g // 2)) & 15) | (((high[32 * h + i] >> 2 * g) & 3) << 4)
        values.append(half(scale) * scales[k // 16] * (q - 32))
    return low + high + struct.pack("<16b", *scales) + scale, values


GROWING = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
E2M1 = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6)


def newer_block(kind, scale, draw):
    """Of types that one pair of loops reads."""
    d, least = half(scale), struct.pack("<e", draw.uniform(0.01, 0.1))
    m, codes = half(least), draw.randbytes(128 if kind in ("q5_K", "iq4_xs") else 64 if kind in ("q2_K", "q3_K") else 16)
    if kind in ("q2_K", "q3_K"):
        scales, bits = draw.randbytes(16 if kind == "q2_K" else 12), draw.randbytes(32)
        pairs = [(codes[32 * (k // 128) + k % 32] >> 2 * (k // 32 % 4)) & 3 for k in range(256)]
        if kind == "q2_K":
            return scales + codes + scale + least, [d * (scales[k // 16] & 15) * pairs[k] - m * (scales[k // 16] >> 4) for k in range(256)]
        six = [(scales[s % 8] >> 4 * (s // 8) & 15 | (scales[8 + s % 4] >> 2 * (s // 4) & 3) << 4) - 32 for s in range(16)]
        return bits + codes + scales + scale, [d * six[k // 16] * ((pairs[k] | (bits[k % 32] >> k // 32 & 1) << 2) - 4) for k in range(256)]
    if kind == "q5_K":
        packed, bits, values = draw.randbytes(12), draw.randbytes(32), []
        for k in range(256):
            s, high = k // 32, packed[4 + k // 32] if k >= 128 else 0
            own = packed[s] & 63 if s < 4 else (high & 15) | (packed[s - 4] >> 6 << 4)
            less = packed[4 + s] & 63 if s < 4 else (high >> 4) | (packed[s] >> 6 << 4)
            values.append(d * own * (codes[32 * (k // 64) + k % 32] >> 4 * (s % 2) & 15 | (bits[k % 32] >> s & 1) << 4) - m * less)
        return scale + least + packed + bits + codes, values
    if kind == "iq4_xs":
        upper, lower = draw.randbytes(2), draw.randbytes(4)
        six = [(lower[s // 2] >> 4 * (s % 2) & 15 | (upper[s // 4] >> 2 * (s % 4) & 3) << 4) - 32 for s in range(8)]
        return scale + upper + lower + codes, [d * six[k // 32] * GROWING[codes[16 * (k // 32) + k % 16] >> 4 * (k // 16 % 2) & 15] for k in range(256)]
    nibbles = [b & 15 for b in codes] + [b >> 4 for b in codes]
    if kind == "mxfp4":
        e = draw.randint(118, 124)
        return bytes([e]) + codes, [2.0 ** (e - 127) * E2M1[q] for q in nibbles]
    if kind == "iq4_nl":
        return scale + codes, [d * GROWING[q] for q in nibbles]
    fifth = draw.randbytes(4) if kind[1] == "5" else b""
    whole = [q | ((fifth[i // 8] >> i % 8 & 1) << 4 if fifth else 0) for i, q in enumerate(nibbles)]
    if kind == "q5_0":
        return scale + fifth + codes, [d * (q - 16) for q in whole]
    return scale + least + fifth + codes, [d * q + m for q in whole]


def lost(row, column, rounded):
    """What rounding the row first may cost: to bytes, 32 together or all; to bf16; and what three bf16 for each f32 do."""
    if rounded == "f32x3":
        return (K / 2 + 24) * 2.0**-24 * sum(abs(x * w) for x, w in zip(row, column))
    if rounded in ("q8", "i8"):
        size = 32 if rounded == "q8" else K
        return sum(max(abs(x) for x in row[b:b + size]) / 254 * sum(abs(w) for w in column[b:b + size]) for b in range(0, K, size)) * (1 + 2.0**-20)
    return 2.0**-8 * sum(abs(x * w) for x, w in zip(row, column)) if rounded else 0


def one_type(kind, rounded=""):
    draw = random.Random(20261128)
    op = f"matmul m=* n={N} k={K} const=b tb=1" + ("" if kind == "f32" else f" w={kind}") + (f" a={rounded}" if rounded else "")
    run("emit", op, "-o", "bundle", "--cache", "none")
    elements, size = TYPES[kind]
    a = [struct.unpack("<f", struct.pack("<f", draw.uniform(-1, 1)))[0] for _ in range(300 * K)]
    open("a.bin", "wb").write(struct.pack(f"<{len(a)}f", *a))
    columns, stored = [], b""
    for _ in range(N):
        blocks = [block(kind, draw) for _ in range(K // elements)]
        stored += b"".join(data for data, _ in blocks)
        columns.append([value for _, values in blocks for value in values])
    scales = [2.0**draw.randint(-6, 0) for _ in range(N)]  # of whole columns: an operand of a=i8
    open("s.bin", "wb").write(struct.pack(f"<{N}f", *scales))
    if rounded == "i8":
        columns = [[scale * value for value in column] for scale, column in zip(scales, columns)]
    open("w.bin", "wb").write(stored)
    name = next(line.split('"')[1] for line in open("bundle/manifest.toml").read().split("[[set]]")[1].split("\n") if line.startswith("symbol"))
    program = C_PROGRAM.replace("ROWS", ", ".join(map(str, ROWS))).replace("WEIGHT_BYTES", str(N * K // elements * size))
    for old, new in (("NAME", name), ("BETWEEN", "scales," if rounded == "i8" else ""), ("N * sizeof", f"{N} * sizeof"), ("* K", f"* {K}"), ("{K, N}", f"{{{K}, {N}}}"), ("* N", f"* {N}")):
        program = program.replace(old, new)
    open("call.c", "w").write(program)
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "call.c", "bundle/libquern_kernels.a", "-o", "call"], check=True)
    done = subprocess.run(["./call"])
    expect(done.returncode == 0, f"{kind}: the C program ends with {done.returncode}")
    floats = open("out.bin", "rb").read()
    expect(len(floats) == 4 * N * sum(ROWS), f"{kind}: {len(floats)} bytes")
    parts, at = [], 0
    for rows in ROWS:
        parts.append(floats[at:at + 4 * rows * N])
        at += 4 * rows * N
    for few, many in ((0, 1), (1, 2)):
        expect(parts[many].startswith(parts[few]), f"{kind}: a row of {ROWS[many]} has other bits than in a call of {ROWS[few]}")
    seven = struct.unpack(f"<{7 * N}f", parts[1])
    for r in range(7):
        row = a[r * K:(r + 1) * K]
        for n, column in enumerate(columns):
            exact = sum(x * w for x, w in zip(row, column))
            limit = (K + 2) * 2.0**-24 * sum(abs(x * w) for x, w in zip(row, column)) + lost(row, column, rounded)
            expect(abs(seven[r * N + n] - exact) <= limit, f"{kind}: row {r} column {n} is {seven[r * N + n]}, {exact} +- {limit} is right")
    expect(any(abs(v) > 1 for v in seven), f"{kind}: not all zero")


def with_flag():
    """eval, verify and bench take kernels out of a bundle; one that is damaged is refused, not passed over."""
    op = f"matmul m=* n={N} k={K} const=b tb=1"
    run("emit", op, "-o", "kept", "--cache", "none")
    draw = random.Random(7)
    write("a.npy", npy([draw.uniform(-1, 1) for _ in range(7 * K)], (7, K)))
    write("b.npy", npy([draw.uniform(-1, 1) for _ in range(N * K)], (N, K)))
    run("eval", op, "a.npy", "b.npy", "-o", "plain.npy", "--cache", "none")
    said = run("eval", op, "a.npy", "b.npy", "-o", "bundled.npy", "--cache", "none", "--bundle", "kept", "--log", "dispatch").stderr
    expect("from bundle" in said and "compiled" not in said and "schedule (bundle)" in said, said)
    expect(open("plain.npy", "rb").read() == open("bundled.npy", "rb").read(), "the same bits")
    said = run("eval", "add", "a.npy", "a.npy", "-o", "sum.npy", "--cache", "none", "--bundle", "kept", "--log", "dispatch").stderr
    expect("not in the bundle" in said and "from compiled" in said, said)
    manifest = open("kept/manifest.toml").read()
    objects = sorted(name for name in os.listdir("kept") if name.endswith(".o"))
    for name in objects:
        data = open(f"kept/{name}", "rb").read()
        open(f"kept/{name}", "wb").write(data[:-1] + bytes([data[-1] ^ 1]))
    run_bundle = ("eval", op, "a.npy", "b.npy", "-o", "x.npy", "--cache", "none", "--bundle", "kept")
    expect("is not the object that the manifest names" in run(*run_bundle, status=3).stderr, "a changed object")
    os.remove(f"kept/{objects[0]}")
    for name in objects[1:]:
        os.remove(f"kept/{name}")
    expect("is not there, though the manifest names it" in run(*run_bundle, status=3).stderr, "an object that is gone")
    for old, new, why in (("format = 4", "format = 1", "a bundle of format 1"), ("abi = \"", "abi = \"0", "called in another way"),
                          ("symbol = \"quern_", "symbol = \"../quern_", "symbol is not the name of a C function"), ("wide = \"", "wide = \"no", "is not in the manifest"),
                          ("strides=1", "strides=2", "is not what this kernel takes"), (re.search(r"rows = \[\d+", manifest).group(), "rows = [0", "bounds that ascend"),
                          ('row_dim = "m"', 'row_dim = ""', "a bound on a dim that is not named")):
        expect(old in manifest, f"the manifest has {old}")
        open("kept/manifest.toml", "w").write(manifest.replace(old, new))
        expect(why in (said := run(*run_bundle, status=3).stderr), f"{why}: {said}")
    os.chmod("kept", 0o777)
    expect("kept" in run(*run_bundle, status=3).stderr, "a folder that others may write")
    expect("no bundle" in run(*run_bundle[:-1], "nowhere", status=3).stderr, "no folder")


def whole_model():
    """A model runs on its bundle: no kernel is compiled, and the log says where each comes from."""
    model = ("--model", "smallmind-small", "--cache", "none")
    run("emit", *model, "-o", "model")
    done = run("bench", *model, "--prefill", "3", "--decode", "2", "--threads", "1", "--bundle", "model", "--log", "dispatch", "--json", "-")
    expect(all(row["schedule_from"] == "bundle" for row in json.loads(done.stdout)["rows"]), done.stdout)
    kernels = len([name for name in os.listdir("model") if name.endswith(".o")])
    expect(done.stderr.count("from bundle") == kernels > 8 and "from compiled" not in done.stderr, f"{kernels} kernels: {done.stderr}")
    plain = run("bench", *model, "--prefill", "3", "--decode", "2", "--threads", "1", "--json", "-")
    expect(all(row["schedule_from"] == "default" for row in json.loads(plain.stdout)["rows"]), plain.stdout)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for kind in TYPES:
        one_type(kind, "i8" if kind == "i8" else "")
    for kind in ("q8_0", "q4_0", "q4_K", "q6_K", "q4_1", "q5_1", "q2_K", "q3_K", "iq4_xs", "mxfp4"):
        one_type(kind, "q8")
    for kind in ("bf16", "f16"):
        one_type(kind, "bf16")
    one_type("f32", "f32x3")
    with_flag()
    whole_model()
expect.finish(250)
