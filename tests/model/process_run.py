#!/usr/bin/env python3
"""tests/model/process_run.py QUERN — `quern generate` as the system sees it: calls per token, libraries, memory."""
import os
import random
import re
import subprocess
import sys
import tempfile
from array import array

quern = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, ran
from models import F32, Model

MIB = 1 << 20
LARGE = dict(width=512, hidden=1408, layers=4, heads=8, kv_heads=8, vocab=4096, context=256)


def large_model(path):
    """60 MB of f32: 65,536 random numbers over and over. The head is the embedding."""
    model = Model(width=16, hidden=16, vocab=900)
    numbers = array("f", [random.Random(1).uniform(-0.08, 0.08) for _ in range(1 << 16)]).tobytes()
    for key, value in (("block_count", "layers"), ("context_length", "context"), ("embedding_length", "width"), ("feed_forward_length", "hidden"), ("attention.head_count", "heads"),
                       ("attention.head_count_kv", "kv_heads"), ("vocab_size", "vocab")):
        model.set("llama." + key, "u32", LARGE[value])
    width, hidden = LARGE["width"], LARGE["hidden"]
    shapes = {"token_embd.weight": [width, LARGE["vocab"]], "output_norm.weight": [width]}
    for i in range(LARGE["layers"]):
        for name, dims in (("attn_norm", [width]), ("ffn_norm", [width]), ("attn_q", [width, width]), ("attn_k", [width, width]), ("attn_v", [width, width]), ("attn_output", [width, width]),
                           ("ffn_gate", [width, hidden]), ("ffn_up", [width, hidden]), ("ffn_down", [hidden, width])):
            shapes[f"blk.{i}.{name}.weight"] = dims
    model.tensors = {}
    for name, dims in shapes.items():
        count = 4 * dims[0] * (dims[1] if len(dims) > 1 else 1)
        model.tensors[name] = (dims, F32, (numbers * (count // len(numbers) + 1))[:count])
    with open(path, "wb") as file:
        file.write(model.gguf())


if sys.argv[2:3] == ["--write"]:  # apart, for a child's peak memory counts from that of the process that forks it
    large_model(sys.argv[3])
    sys.exit(0)

expect = Checks(stops=True)


def generate(model, count, *more, before=(), **options):
    command = [*before, quern, "generate", "-m", model, "-p", "some words", "-n", str(count), "--seed", "3", "--top-k", "0", "--cache", "cache", "--quiet", *more]
    done = ran(*command, errors="replace", **options)
    assert done.returncode == 0, (command, done.returncode, done.stderr)
    return done


def calls(model, count, threads):
    """How often each system call was made."""
    generate(model, count, "--threads", str(threads), before=("strace", "-f", "-c", "-o", "calls"))
    found = {}
    with open("calls", encoding="utf-8") as file:
        for line in file:
            row = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)\s*$", line)
            if row and row.group(2) != "total":
                found[row.group(2)] = int(row.group(1))
    return found


def why_no_strace():
    try:
        tried = subprocess.run(["strace", "-f", "-c", "-o", "/dev/null", "true"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return "strace is not installed"
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def calls_per_token():
    """100 tokens more make writes of text and, where threads wait for each other, futex; and a worker looks for a core where it lost its own."""
    why = why_no_strace()
    if why:
        return print(f"skipped: system calls per token: {why}")
    for model, threads, waits in (("small.gguf", 1, set()), ("wide.gguf", 1, set()), ("wide.gguf", 2, {"futex", "sched_getaffinity", "sched_setaffinity"})):
        expect(generate(model, 150, "--print-ids", "--threads", str(threads)).stdout.count(",") == 149, "150 tokens")
        few, many = calls(model, 50, threads), calls(model, 150, threads)
        expect(few["write"] > 25 and few["execve"] == 1, few)
        more = {name: many.get(name, 0) - few.get(name, 0) for name in set(few) | set(many)}
        writes = more.pop("write")
        expect(50 < writes <= 100, f"{model}: {writes} writes for 100 tokens")
        for name in waits:
            more.pop(name, None)
        expect(all(count == 0 for count in more.values()), f"{model}, {threads} threads: {more}")
    return None


def no_compiler():
    """With the cache filled neither the code generator nor LLVM is loaded; with an empty one both are, so this would see them."""
    def loaded():
        said = generate("small.gguf", 5, env={**os.environ, "LD_DEBUG": "libs"}).stderr
        return {name for name in ("quern-codegen", "libLLVM") if re.search(name, said)}
    first = loaded()
    expect(first == {"quern-codegen", "libLLVM"}, first)
    expect(loaded() == set(), "what a filled cache needs")
    expect("calling init: " in generate("small.gguf", 5, env={**os.environ, "LD_DEBUG": "libs"}).stderr, "LD_DEBUG")


MEASURE = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def peak_memory():
    """Weights once, the cache of keys and values, and 32 MiB."""
    subprocess.run([sys.executable, os.path.abspath(__file__), quern, "--write", "large.gguf"], check=True)
    weights = os.path.getsize("large.gguf")
    expect(58e6 < weights < 64e6, weights)
    cache = 2 * 4 * LARGE["layers"] * LARGE["context"] * LARGE["width"]
    command = [quern, "generate", "-m", "large.gguf", "--ids", ",".join(str(i) for i in range(64)), "--print-ids", "-n", "20", "--seed", "1", "--cache", "cache", "--quiet", "--threads", "2"]
    for attempt in ("compiling", "from the cache"):
        measured = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True)
        peak = int(measured.stdout) * 1024
        print(f"{attempt}: peak {peak / MIB:.1f} MiB; weights {weights / MIB:.1f}, keys and values {cache / MIB:.1f}")
    expect(weights < peak <= weights + cache + 32 * MIB, f"peak memory {peak / MIB:.1f} MiB of {(weights + cache) / MIB:.1f} + 32")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, model in (("small.gguf", Model(width=64, hidden=96, layers=2, heads=4, kv_heads=2, vocab=600, context=256)), ("wide.gguf", Model(width=192, hidden=512, heads=4, kv_heads=4, vocab=600, context=256))):
        with open(name, "wb") as file:
            file.write(model.gguf())
    no_compiler()
    generate("wide.gguf", 1)
    generate("wide.gguf", 1, "--threads", "2")
    calls_per_token()
    peak_memory()

expect.finish(4)
