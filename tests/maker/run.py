#!/usr/bin/env python3
"""tests/maker/run.py QUERN MAKER — models of random weights: readable in every type, repeatable, and what is refused."""
import json
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks

quern, maker = (os.path.abspath(path) for path in sys.argv[1:3])
expect = Checks(stops=True)


def run(*words, status=0):
    done = expect.run(*words, status=status)
    return done.stderr if status else done.stdout


def content(name):
    with open(name, "rb") as file:
        return file.read()


def types_of(name):
    """{tensor: type} as `quern info` lists them."""
    return {tensor["name"]: tensor["type"] for tensor in json.loads(run(quern, "info", "--model", name, "--json", "-"))["tensors"]}


def tokens_of(name):
    data = content(name)
    key = b"tokenizer.ggml.tokens"
    at = data.index(key) + len(key) + 8  # behind the kinds array and string
    count, at = struct.unpack_from("<Q", data, at)[0], at + 8
    tokens = []
    for _ in range(count):
        size = struct.unpack_from("<Q", data, at)[0]
        tokens.append(data[at + 8:at + 8 + size].decode())
        at += 8 + size
    return tokens


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for kind in ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "iq4_xs", "mxfp4", "q4_K_M"):
        name = f"{kind}.gguf"
        said = run(maker, "tiny", "--type", kind, "-o", name)
        expect(said.startswith(f"{name}: tiny {kind}, 1.4 million weights, "), said)
        run(quern, "info", "--model", name, "--check")
        types = types_of(name)
        expect(types["blk.0.attn_norm.weight"] == "f32" and types["blk.1.attn_q.weight"] == ("q4_K" if kind == "q4_K_M" else kind), types)
        if kind == "q4_K_M":
            expect([types[t + ".weight"] for t in ("blk.0.attn_v", "blk.1.ffn_down", "output", "token_embd")] == ["q6_K", "q6_K", "q6_K", "q4_K"], types)
    run(maker, "tiny", "--type", "Q4_K_M", "--tied", "-o", "tied.gguf")
    types = types_of("tied.gguf")
    expect("output.weight" not in types and types["token_embd.weight"] == "q6_K", types)

    # The seed decides, and nothing else.
    for name, seed in (("again.gguf", "1"), ("other.gguf", "2")):
        run(maker, "tiny", "--seed", seed, "-o", name)
    expect(content("again.gguf") == content("f32.gguf"), "the same command wrote other bytes")
    expect(content("other.gguf") != content("f32.gguf"), "another seed wrote the same bytes")

    run(maker, "llama-15m", "--type", "q4_0", "-o", "words.gguf")
    words = tokens_of("words.gguf")
    expect(len(words) == len(set(words)) == 32000 and words[259:263] == ["\u2581", "a", "b", "c"] and words[286] == "\u2581a", words[255:290])

    # Every text becomes tokens and comes back; a vocabulary is copied from another file.
    ids = run(quern, "tokenize", "--model", "f32.gguf", "ab \u00e9 zz\n", "--quiet")
    expect(ids.strip() != "", ids)
    run(maker, "llama-15m", "--type", "q4_K", "--vocab", "f32.gguf", "-o", "copied.gguf")
    expect(run(quern, "tokenize", "--model", "copied.gguf", "ab \u00e9 zz\n", "--quiet") == ids, "the copied vocabulary makes other tokens")
    types = types_of("copied.gguf")
    expect(types["blk.0.attn_q.weight"] == "q8_0" and types["blk.0.ffn_down.weight"] == "q4_K" and tokens_of("copied.gguf") == tokens_of("f32.gguf"), types)

    for words, status, message in (
            ((), 2, "quern-maker: one shape is needed; quern-maker --help lists them\n"),
            (("tiny",), 2, "quern-maker: -o FILE is needed\n"),
            (("tony", "-o", "x"), 2, "quern-maker: unknown shape 'tony', did you mean 'tiny'?; shapes: llama-110m llama-15m tiny\n"),
            (("tiny", "--type", "q7_K", "-o", "x"), 2, "quern-maker: --type q7_K is none of f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_K q3_K q4_K q5_K q6_K iq4_nl iq4_xs mxfp4 q4_K_M\n"),
            (("tiny", "--seed", "-1", "-o", "x"), 2, "quern-maker: --seed -1 is not a whole number from 0\n"),
            (("tiny", "-o"), 2, "quern-maker: -o needs a value\n"),
            (("tiny", "--what", "1"), 2, "quern-maker: unknown flag '--what'; quern-maker --help lists them\n"),
            (("tiny", "--vocab", "none.gguf", "-o", "x"), 3, "quern-maker: none.gguf: No such file or directory\n"),
            (("tiny", "-o", "no/such/folder"), 4, "quern-maker: no/such/folder: cannot write: No such file or directory\n")):
        got = run(maker, *words, status=status)
        expect(got == message, f"got      {got!r}\nexpected {message!r}")
    expect(not os.path.exists("x"), "a refused command wrote a file")
    expect(run(maker, "--help").startswith("quern-maker SHAPE "), "help")
expect.finish(50)
