#!/usr/bin/env python3
"""tests/model/fast_run.py QUERN MAKER SHARED — what --compute fast and tile and --kv q8 cost in accuracy, and that their bits are those of every
level with fma: perplexities within 0.5 % of exact, and not the same; logits of a CPU with AVX2 byte for byte those of this one, on any number
of threads, in any piece."""
import json
import math
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching, write

quern, maker = (os.path.abspath(path) for path in sys.argv[1:3])
stories = os.path.join(sys.argv[3], "models", "stories260K", "stories260K.gguf")
check = Checks()


def run(*words):
    return check.run(*words, env=caching("cache")).stdout


def perplexity(model, texts, *flags):
    """Of all the texts together: the exponent of the mean over their tokens."""
    surprise = tokens = 0
    for text in texts:
        said = json.loads(run(quern, "perplexity", "-m", model, "-f", text, *flags, "--json", "-", "--quiet"))
        surprise, tokens = surprise + said["nll_sum"], tokens + said["tokens"] - 1
    return math.exp(surprise / tokens)


def near(model, texts):
    exact = perplexity(model, texts, "--compute", "exact")
    check(exact > 1.5, f"{model}: perplexity {exact}: the texts surprise nobody")
    for compute in ("fast", "tile"):
        own = perplexity(model, texts, "--compute", compute)
        print(f"{model}: perplexity exact {exact:.5f}, {compute} {own:.5f}: {100 * (own / exact - 1):+.3f} %")
        check(own != exact, f"{model}: {compute} and exact are the same")
        check(abs(own / exact - 1) < 0.005, f"{model}: perplexity {own} {compute}, {exact} exact")


def of_a_model_that_tells_stories():
    if not os.path.exists(stories):
        return print(f"skipped: {stories} is not here")
    texts = []
    for seed in range(1, 5):
        texts.append(f"story{seed}.txt")
        write(texts[-1], run(quern, "generate", "-m", stories, "-p", "Once upon a time", "-n", "250", "--temperature", "1", "--seed", str(seed), "--quiet"))
        check(os.path.getsize(texts[-1]) > 300, f"{texts[-1]} is short")
    for kind in ("bf16", "q8_0"):
        run(quern, "quantize", stories, "-o", f"stories-{kind}.gguf", "--type", kind)
        near(f"stories-{kind}.gguf", texts)


def of_random_weights():
    write("letters.txt", "a quick brown fox jumps over the lazy dog and then it does so again " * 3)
    for kind in ("q8_0", "q4_0", "q4_K_M", "q6_K", "bf16"):
        model = f"tiny-{kind}.gguf"
        run(maker, "tiny", "--type", kind, "-o", model)
        near(model, ["letters.txt"])


def of_a_cache_of_q8():
    for kind in ("f32", "q4_K_M", "bf16"):
        model = f"tiny-{kind}.gguf"
        run(maker, "tiny", "--type", kind, "-o", model)
        for compute in ("exact", "fast"):
            plain, kept = (perplexity(model, ["letters.txt"], "--compute", compute, "--kv", kv) for kv in ("f32", "q8"))
            print(f"{model}, {compute}: perplexity --kv f32 {plain:.5f}, --kv q8 {kept:.5f}: {100 * (kept / plain - 1):+.3f} %")
            check(kept != plain, f"{model}, {compute}: --kv q8 and f32 are the same")
            check(abs(kept / plain - 1) < 0.005, f"{model}, {compute}: perplexity {kept} with --kv q8, {plain} with f32")


def logits(model, ids, *flags):
    """Row by row, as bytes."""
    run(quern, "logits", "-m", model, "--ids", ",".join(map(str, ids)), "-o", "logits.npy", "--quiet", *flags)
    with open("logits.npy", "rb") as file:
        data = file.read()
    begin = 10 + int.from_bytes(data[8:10], "little")  # the header of an .npy file
    width, rest = divmod(len(data) - begin, len(ids))
    check(width > 0 and rest == 0, f"{model}: {len(data)} bytes of logits")
    return [data[at:at + width] for at in range(begin, len(data), width)]


def bits_of_levels():
    ids = range(3, 60, 2)
    avx2 = {"avx2", "fma"} <= set(run(quern, "cpu").split())
    if not avx2:
        print("skipped: this CPU has no AVX2")
    for kind in ("q8_0", "q4_K_M", "bf16"):
        model, seen = f"tiny-{kind}.gguf", [logits(f"tiny-{kind}.gguf", ids, "--compute", "exact")]
        for compute in ("fast", "tile"):
            how = ["--compute", compute, "--order", "tile32"]
            here = logits(model, ids, *how)
            if avx2:
                check(logits(model, ids, "--cpu", "haswell", *how) == here, f"{model} {compute}: --cpu haswell has other bits than this CPU")
            # Of bf16 both compute the same.
            same = compute == "tile" and kind == "bf16"
            check((here in seen) == same, f"{model}: the bits of {compute} and of exact or fast are {'not ' if same else ''}the same")
            seen.append(here)
        how = ["--compute", "fast", "--kv", "q8", "--order", "tile32"]
        kept = logits(model, ids, *how)
        check(kept not in seen, f"{model}: --kv q8 and f32 have the same bits")
        if avx2:
            check(logits(model, ids, "--cpu", "haswell", *how) == kept, f"{model}: --kv q8 has other bits with --cpu haswell")


def bits_of_pieces():
    """By the instruction for pairs where this CPU has it."""
    ids = list(range(3, 60, 2))
    for kind in ("q8_0", "q4_0", "q4_K_M", "q6_K"):
        model = f"tiny-{kind}.gguf"
        for order in ("pairs", "tile32"):
            how = ["--compute", "tile", "--order", order]
            whole = logits(model, ids, "--threads", "1", *how)
            check(logits(model, ids, "--threads", "2", *how) == whole, f"{model} {order}: two threads have other bits than one")
            for few in (1, 2, 3, 11):
                check(logits(model, ids[:few], *how) == whole[:few], f"{model} {order}: the first {few} alone have other bits")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    of_a_model_that_tells_stories()
    of_random_weights()
    of_a_cache_of_q8()
    bits_of_levels()
    bits_of_pieces()
check.finish(80)
