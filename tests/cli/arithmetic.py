#!/usr/bin/env python3
"""tests/cli/arithmetic.py QUERN MAKER — what products are computed in, without --compute and with it, is said: by info for any CPU, by
generate where it is not exact, and by every command on models where --compute changes nothing."""
import json
import os
import re
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
    for kind, cpu, usual, fast, tile in (
            ("q4_K_M", "haswell", "fast", Q4_K_M, blocks("tile32")), ("q4_K_M", "zen5", "fast", Q4_K_M, blocks("pairs")), ("q4_K_M", "x86-64", "exact", Q4_K_M, blocks("tile32")),
            ("bf16", "zen5", "fast", pairs("pairs"), pairs("pairs")), ("bf16", "sapphirerapids", "fast", pairs("tile32"), pairs("tile32")),
            ("bf16", "haswell", "exact", pairs("tile32"), pairs("tile32")), ("f16", "zen5", "exact", f16, f16), ("f32", "neoverse-v1", "exact", f32, f32)):
        said = json.loads(run("info", "-m", f"{kind}.gguf", "--cpu", cpu, "--json", "-").stdout)["arithmetic"]
        check(said == {"compute": usual, "cpu": cpu, "fast": fast, "tile": tile}, f"{kind} on {cpu}: {said}")
        said = run("info", "-m", f"{kind}.gguf", "--cpu", cpu).stdout
        all_of_it = [("fast", f"on {cpu}: {spelled(fast)}"), ("exact", f"on {cpu}: a=f32"), ("tile", f"on {cpu}: {spelled(tile)}")]
        first = "exact: a=f32" if usual == "exact" else f"fast {all_of_it.pop(0)[1]}"
        others = "".join(f"              --compute {how} {what}\n" for how, what in all_of_it if how != usual)
        check(f"\narithmetic    {first}\n{others}" in said, f"{kind} on {cpu}: {said}")
    elements = 2 * 2 * 256 * 2 * 64  # keys and values of 2 layers, 256 positions, 2 heads of 64
    said = json.loads(run("info", "-m", "f32.gguf", "--json", "-").stdout)["kv_cache_bytes"]
    check(said == {"f32": 4 * elements, "f16": 2 * elements, "bf16": 2 * elements, "q8": elements * 34 // 32}, f"the cache: {said}")
    check("\nkv cache      f32 512.00 KiB, f16 256.00 KiB, bf16 256.00 KiB, q8 136.00 KiB\n" in run("info", "-m", "f32.gguf").stdout, "the cache as text")
    said = json.loads(run("info", "-m", "q4_K_M.gguf", "--cpu", "neoverse-v1", "--json", "-").stdout)["arithmetic"]
    check("fast_refused" not in said and said.get("tile_refused") == REFUSED, f"q4_K_M on neoverse-v1: {said}")
    said = json.loads(run("info", "-m", "bf16.gguf", "--cpu", "neoverse-v1", "--json", "-").stdout)["arithmetic"]
    check(said["compute"] == "exact" and said.get("fast_refused") == REFUSED, f"bf16 on neoverse-v1: {said}")
    check(f": refused: {REFUSED}\n" in run("info", "-m", "bf16.gguf", "--cpu", "neoverse-v1").stdout, "bf16 on neoverse-v1")
    check("--compute fast on this CPU: f32 a=f32\n" in run("info", "-m", "smallmind-small").stdout, "sizes with random weights")
    with open("q4_K_M.gguf", "rb") as file, open("torn.gguf", "wb") as torn:
        torn.write(file.read().replace(b"blk.1.attn_q.weight", b"blk.1.attn_z.weight"))
    said = json.loads(run("info", "-m", "torn.gguf", "--json", "-").stdout)
    check(said["refused"] and "arithmetic" not in said, f"a model that would be refused: {said.get('arithmetic')}")


def generate():
    """Among the speeds, where it is not exact."""
    for kind, flags, says in (("q4_K_M", ["--cpu", "haswell"], "fast: q4_K a=q8, q6_K a=q8"), ("q4_K_M", ["--cpu", "x86-64"], None), ("q4_K_M", ["--compute", "exact"], None),
                              ("q4_K_M", ["--compute", "fast", "--cpu", "x86-64"], "fast: q4_K a=q8, q6_K a=q8"), ("bf16", ["--cpu", "haswell"], None),
                              ("bf16", ["--compute", "fast", "--order", "pairs"], "fast: bf16 a=bf16 order=pairs"), ("f32", [], None), ("f16", [], None),
                              ("bf16", ["--compute", "fast", "--order", "tile32"], "fast: bf16 a=bf16 order=tile32"), ("f32", ["--compute", "fast"], None),
                              ("q4_K_M", ["--compute", "tile", "--order", "pairs"], "tile: q4_K a=bf16 order=pairs, q6_K a=bf16 order=pairs"), ("f16", ["--compute", "tile"], None)):
        if "haswell" in flags and not avx2:
            continue
        said = run("generate", "-m", f"{kind}.gguf", "-p", "a word", "-n", "2", "--seed", "1", *flags).stderr
        lines = [line for line in said.split("\n") if line.startswith("computed")]
        check(lines == ([f"computed {says}"] if says else []) and "tokens/s" in said, f"{kind} {flags}: {said}")


def without_a_word():
    """The bits are those of the word that info names; --order without --compute has them added up so, where anything is."""
    here = run("info", "-m", "bf16.gguf", "--json", "-").stdout
    for kind, flags, same in (("q4_K_M", ["--cpu", "haswell"], "fast"), ("q4_K_M", ["--cpu", "x86-64"], "exact"), ("bf16", ["--cpu", "haswell"], "exact"),
                              ("bf16", [], json.loads(here)["arithmetic"]["compute"]), ("f16", [], "exact")):
        if "haswell" in flags and not avx2:
            continue
        logits = {}
        for how in ("", "exact", "fast"):
            run("logits", "-m", f"{kind}.gguf", "--ids", "1,2,3", "-o", "l.npy", "--quiet", *flags, *(["--compute", how] if how else []))
            with open("l.npy", "rb") as file:
                logits[how] = file.read()
        check(logits[""] == logits[same], f"{kind} {flags}: not as --compute {same}")
        check((logits["exact"] == logits["fast"]) == (kind == "f16"), f"{kind} {flags}: exact and fast")
    said = run("generate", "-m", "bf16.gguf", "-p", "a", "-n", "1", "--order", "tile32", "--cpu", "x86-64", status=2).stderr
    check("--order goes with --compute fast or tile" in said, said)
    for kind, cpus, flags, computed in (("bf16", ("sapphirerapids", "zen5", "x86-64"), [], ("fast tile32", "fast pairs", "exact tile32")),
                                        ("q4_K_M", ("haswell", "zen5"), ["--compute", "tile"], ("tile tile32", "tile pairs"))):
        run("emit", "-m", f"{kind}.gguf", "-o", "both", "--cpu", ",".join(cpus), *flags)
        with open("both/manifest.toml", encoding="utf-8") as file:
            manifest = file.read()
        for cpu, (compute, order) in zip(cpus, (words.split() for words in computed)):
            check(re.search(f'name = "{cpu}"\n.*\ncompute = "{compute}".*\norder = "{order}"\nkv = "f32"\n', manifest), f"{kind}: what a bundle has for {cpu}")


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
    avx2 = {"avx2", "fma"} <= set(run("cpu").stdout.split())
    info()
    generate()
    without_a_word()
    exact_anyway()
    os.chdir("/")
check.finish(60)
