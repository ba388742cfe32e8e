#!/usr/bin/env python3
"""tests/model/fast_run.py QUERN MAKER SHARED — what --compute fast and --kv q8 cost in accuracy, and that their bits are those of every level
with fma: perplexities within 0.5 % of exact, and not the same; logits of a CPU with AVX2 byte for byte those of this one."""
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
    exact, fast = (perplexity(model, texts, "--compute", compute) for compute in ("exact", "fast"))
    print(f"{model}: perplexity exact {exact:.5f}, fast {fast:.5f}: {100 * (fast / exact - 1):+.3f} %")
    check(exact > 1.5, f"{model}: perplexity {exact}: the texts surprise nobody")
    check(fast != exact, f"{model}: fast and exact are the same")
    check(abs(fast / exact - 1) < 0.005, f"{model}: perplexity {fast} fast, {exact} exact")


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


def bits_of_levels():
    ids = ",".join(str(id) for id in range(3, 60, 2))
    if not {"avx2", "fma"} <= set(run(quern, "cpu").split()):
        return print("skipped: this CPU has no AVX2")
    for kind in ("q8_0", "q4_K_M", "bf16"):
        def logits(cpu, compute, kv="f32"):
            name = f"{kind}-{cpu}-{compute}.npy"
            run(quern, "logits", "-m", f"tiny-{kind}.gguf", "--ids", ids, "-o", name, "--cpu", cpu, "--compute", compute, "--kv", kv, *(["--order", "tile32"] if compute == "fast" else []), "--quiet")
            with open(name, "rb") as file:
                return file.read()
        here = logits("host", "fast")
        check(logits("haswell", "fast") == here, f"{kind}: --cpu haswell has other bits than this CPU")
        check(logits("host", "exact") != here, f"{kind}: fast and exact have the same bits")
        kept = logits("host", "fast", "q8")
        check(kept != here and logits("haswell", "fast", "q8") == kept, f"{kind}: --kv q8 has other bits with --cpu haswell")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    of_a_model_that_tells_stories()
    of_random_weights()
    of_a_cache_of_q8()
    bits_of_levels()
check.finish(20)
