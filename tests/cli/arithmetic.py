#!/usr/bin/env python3
"""tests/cli/arithmetic.py QUERN MAKER — what products are computed in is said: by info for any CPU, by generate where it is not exact, and by
every command on models where --compute changes nothing."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching

quern, maker = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
check = Checks()
Q4_K_M = [{"weights": "q4_K", "a": "q8"}, {"weights": "q6_K", "a": "q8"}]
EXACT = "quern: warning: {}: --compute fast leaves products with weights of {} exact\n"
REFUSED = "matmul schedule: a=bf16 on aarch64, which takes small numbers for 0 before it rounds; a=f32 is computed"


def run(*arguments, status=0):
    return check.run(quern, *arguments, status=status, env=caching("cache"))


def pairs(order, weights=("bf16",)):
    return [{"weights": each, "a": "bf16", "order": order} for each in weights]


def blocks(order):
    return pairs(order, ("q4_K", "q6_K"))


def spelled(products):
    return ", ".join(f"{one['weights']} a={one['a']}" + (f" order={one['order']}" if "order" in one else "") for one in products)


def info():
    """As JSON and as text, for CPUs that differ in it."""
    f16, f32 = ([{"weights": kind, "a": "f32"}] for kind in ("f16", "f32"))
    for kind, cpu, fast, tile in (("q4_K_M", "haswell", Q4_K_M, blocks("tile32")), ("q4_K_M", "zen5", Q4_K_M, blocks("pairs")), ("bf16", "zen5", pairs("pairs"), pairs("pairs")),
                                  ("bf16", "sapphirerapids", pairs("tile32"), pairs("tile32")), ("bf16", "haswell", pairs("tile32"), pairs("tile32")),
                                  ("f16", "zen5", f16, f16), ("f32", "neoverse-v1", f32, f32)):
        said = json.loads(run("info", "-m", f"{kind}.gguf", "--cpu", cpu, "--json", "-").stdout)["arithmetic"]
        check(said == {"compute": "exact", "cpu": cpu, "fast": fast, "tile": tile}, f"{kind} on {cpu}: {said}")
        said = run("info", "-m", f"{kind}.gguf", "--cpu", cpu).stdout
        lines = "".join(f"              --compute {how} on {cpu}: {spelled(own)}\n" for how, own in (("fast", fast), ("tile", tile)))
        check(f"\narithmetic    exact (a=f32)\n{lines}" in said, f"{kind} on {cpu}: {said}")
    elements = 2 * 2 * 256 * 2 * 64  # keys and values of 2 layers, 256 positions, 2 heads of 64
    said = json.loads(run("info", "-m", "f32.gguf", "--json", "-").stdout)["kv_cache_bytes"]
    check(said == {"f32": 4 * elements, "f16": 2 * elements, "bf16": 2 * elements, "q8": elements * 34 // 32}, f"the cache: {said}")
    check("\nkv cache      f32 512.00 KiB, f16 256.00 KiB, bf16 256.00 KiB, q8 136.00 KiB\n" in run("info", "-m", "f32.gguf").stdout, "the cache as text")
    said = json.loads(run("info", "-m", "q4_K_M.gguf", "--cpu", "neoverse-v1", "--json", "-").stdout)["arithmetic"]
    check("fast_refused" not in said and said.get("tile_refused") == REFUSED, f"q4_K_M on neoverse-v1: {said}")
    said = json.loads(run("info", "-m", "bf16.gguf", "--cpu", "neoverse-v1", "--json", "-").stdout)["arithmetic"]
    check(said.get("fast_refused") == REFUSED, f"bf16 on neoverse-v1: {said}")
    check(f": refused: {REFUSED}\n" in run("info", "-m", "bf16.gguf", "--cpu", "neoverse-v1").stdout, "bf16 on neoverse-v1")
    check("--compute fast on this CPU: f32 a=f32\n" in run("info", "-m", "smallmind-small").stdout, "sizes with random weights")
    with open("q4_K_M.gguf", "rb") as file, open("torn.gguf", "wb") as torn:
        torn.write(file.read().replace(b"blk.1.attn_q.weight", b"blk.1.attn_z.weight"))
    said = json.loads(run("info", "-m", "torn.gguf", "--json", "-").stdout)
    check(said["refused"] and "arithmetic" not in said, f"a model that would be refused: {said.get('arithmetic')}")


def generate():
    """Among the speeds, where it is not exact."""
    for kind, flags, says in (("q4_K_M", [], None), ("q4_K_M", ["--compute", "fast"], "q4_K a=q8, q6_K a=q8"), ("bf16", ["--compute", "fast", "--order", "pairs"], "bf16 a=bf16 order=pairs"),
                              ("bf16", ["--compute", "fast", "--order", "tile32"], "bf16 a=bf16 order=tile32"), ("f32", ["--compute", "fast"], None),
                              ("q4_K_M", ["--compute", "tile", "--order", "pairs"], "q4_K a=bf16 order=pairs, q6_K a=bf16 order=pairs"), ("f16", ["--compute", "tile"], None)):
        said = run("generate", "-m", f"{kind}.gguf", "-p", "a word", "-n", "2", "--seed", "1", *flags).stderr
        lines = [line for line in said.split("\n") if line.startswith("computed")]
        check(lines == ([f"computed {flags[1]}: {says}"] if says else []) and "tokens/s" in said, f"{kind} {flags}: {said}")


def exact_anyway():
    """Said once, and not with --quiet."""
    for kind, fast in (("f32", True), ("f16", True), ("q4_K_M", False)):
        for command in (["generate", "--print-ids", "--ids", "1,2", "-n", "1", "--seed", "1"], ["logits", "--ids", "1,2", "-o", "l.npy"]):
            said = run(*command, "-m", f"{kind}.gguf", "--compute", "fast").stderr
            check((EXACT.format(f"{kind}.gguf", kind) in said) == fast and said.count("leaves products") == int(fast), f"{command[0]} {kind}: {said}")
            check("leaves products" not in run(*command, "-m", f"{kind}.gguf").stderr, f"{command[0]} {kind} without --compute")
            check("leaves products" not in run(*command, "-m", f"{kind}.gguf", "--compute", "fast", "--quiet").stderr, f"{command[0]} {kind} --quiet")
            said = run(*command, "-m", f"{kind}.gguf", "--compute", "tile").stderr
            check((EXACT.format(f"{kind}.gguf", kind).replace("fast", "tile") in said) == fast, f"{command[0]} {kind} tile: {said}")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for kind in ("q4_K_M", "bf16", "f16", "f32"):
        check.run(maker, "tiny", "--type", kind, "-o", f"{kind}.gguf")
    info()
    generate()
    exact_anyway()
    os.chdir("/")
check.finish(60)
