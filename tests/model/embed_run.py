#!/usr/bin/env python3
"""tests/model/embed_run.py QUERN — `quern embed` as a user runs it, on a small random BERT with a vocabulary as BERT's own."""
import json
import math
import os
import random
import re
import sys
import tempfile

quern = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, read_npy, write
from models import Model, floats
from make import entry, safetensors

expect = Checks(stops=True)
WIDTH, CONTEXT = 32, 24
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "sits", "runs", "##s", "the", ".", ",", "house"]


def folder(path, pooling=None, modules=None):
    """A folder as sentence-transformers has it."""
    rng, header, data = random.Random(7), {}, b""
    shapes = {"embeddings.word_embeddings.weight": [len(WORDS), WIDTH], "embeddings.position_embeddings.weight": [CONTEXT, WIDTH],
              "embeddings.token_type_embeddings.weight": [2, WIDTH], "embeddings.LayerNorm.weight": [WIDTH], "embeddings.LayerNorm.bias": [WIDTH]}
    layer = {"attention.self.query": [WIDTH, WIDTH], "attention.self.key": [WIDTH, WIDTH], "attention.self.value": [WIDTH, WIDTH], "attention.output.dense": [WIDTH, WIDTH],
             "intermediate.dense": [48, WIDTH], "output.dense": [WIDTH, 48]}
    for name, shape in layer.items():
        shapes[f"encoder.layer.0.{name}.weight"] = shape
        shapes[f"encoder.layer.0.{name}.bias"] = shape[:1]
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes[f"encoder.layer.0.{name}.weight"] = [WIDTH]
        shapes[f"encoder.layer.0.{name}.bias"] = [WIDTH]
    for name, shape in shapes.items():
        content = floats(rng, math.prod(shape), 1 if "LayerNorm" not in name else 0.25, 1 if name.endswith("LayerNorm.weight") else 0)
        header[name] = entry("F32", shape, len(data), len(data) + len(content))
        data += content
    os.makedirs(os.path.join(path, "1_Pooling"), exist_ok=True)
    config = {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(WORDS), "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 1,
              "num_attention_heads": 2, "max_position_embeddings": CONTEXT, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0}
    write(os.path.join(path, "config.json"), json.dumps(config).encode())
    write(os.path.join(path, "model.safetensors"), safetensors(header, data))
    write(os.path.join(path, "vocab.txt"), ("\n".join(WORDS) + "\n").encode())
    write(os.path.join(path, "tokenizer_config.json"), json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}).encode())
    if pooling is not None:
        write(os.path.join(path, "1_Pooling", "config.json"), json.dumps(pooling).encode())
    if modules is not None:
        write(os.path.join(path, "modules.json"), json.dumps(modules).encode())


def run(*arguments, status=0, **more):
    return expect.run(quern, "embed", *arguments, "--cache", "cache", "--quiet", status=status, text=False, **more)


def vectors(*arguments, **more):
    rows = [[float(each) for each in line.split()] for line in run(*arguments, **more).stdout.decode().splitlines()]
    expect(all(len(row) == WIDTH for row in rows), rows)
    return rows


def refused(message, *arguments, status=3):
    done = run(*arguments, status=status)
    expect(done.stderr.decode() == f"quern: {message}\n" and done.stdout == b"", (done.stderr, message))


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other)) / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


with tempfile.TemporaryDirectory() as place:
    os.chdir(place)
    folder("mean", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    folder("plain")
    folder("first", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}, {"type": "sentence_transformers.models.Normalize"}])
    # A line for each text, of length 1, the same whatever it goes with.
    texts = ["A cat sits.", "The dogs run", "the house, the cat."]
    all_three = vectors("-m", "mean", *texts)
    expect(len(all_three) == 3, all_three)
    for text, row in zip(texts, all_three):
        expect(abs(sum(each * each for each in row) - 1) < 1e-5, row)
        expect(vectors("-m", "mean", text) == [row], text)
    expect(vectors("-m", "mean", "-t", "3", *reversed(texts)) == all_three[::-1], "threads, order")
    expect(cosine(all_three[0], all_three[1]) < 0.999, "texts are told apart")
    expect(vectors("-m", "mean", "a CAT   sits.") == all_three[:1], "case and blanks are BERT's")
    expect(vectors("-m", "plain", *texts) == all_three, "the mean is what nothing else says")
    expect(vectors("-m", "first", *texts) != all_three, "the first row's")
    raw = vectors("-m", "mean", "--raw", *texts)
    expect(all(cosine(one, other) > 1 - 1e-6 for one, other in zip(raw, all_three)) and raw != all_three, "raw")
    # Other forms.
    given = json.loads(run("-m", "mean", *texts, "--json", "-").stdout)
    expect(given["width"] == WIDTH and [each["text"] for each in given["texts"]] == texts and [each["vector"] for each in given["texts"]] == all_three, given)
    expect(run("-m", "mean", *texts, "-o", "v.npy").stdout == b"", "the file is the result")
    header, numbers = read_npy("v.npy")
    expect(f"(3, {WIDTH})" in header and max(abs(one - other) for one, other in zip(numbers, [each for row in all_three for each in row])) < 1e-7, header)
    write("lines.txt", "\r\n".join(texts).encode())
    expect(vectors("-m", "mean", "--file", "lines.txt") == all_three, "lines")
    expect(vectors("-m", "mean", "--file", "-", give="\n".join(texts).encode()) == all_three, "stdin")
    # Many: each thread has its own.
    rng = random.Random(3)
    many = [" ".join(rng.choice(WORDS[5:]) for _ in range(rng.randint(1, 22))) for _ in range(400)]
    write("many.txt", "\n".join(many).encode())
    alone = run("-m", "mean", "--file", "many.txt", "-t", "1").stdout
    expect(len(alone.splitlines()) == 400 and all(run("-m", "mean", "--file", "many.txt", "-t", threads).stdout == alone for threads in ("2", "3", "7")), "many texts")
    timed = json.loads(expect.run(quern, "bench", "-m", "mean", "-t", "2", "--json", "-", "--cache", "cache", "--quiet").stdout)["rows"]
    expect([row["id"] for row in timed] == ["emb64"] and timed[0]["rate_unit"] == "texts/s" and timed[0]["rate"] > 0 and timed[0]["threads"] == 2, timed)
    expect(abs(timed[0]["rate"] * timed[0]["warm_ns"] / 64e9 - 1) < 1e-6 and timed[0]["tokens_per_s"] > 8 * timed[0]["rate"], timed)
    done = expect.run(quern, "bench", "-m", "mean", "--decode", "3", "--quiet", status=2)
    expect(done.stderr == "quern: bench: --decode is of models that go on with texts; mean is an encoder\n", done.stderr)
    cpus = len(os.sched_getaffinity(0))
    expect(f" positions, {cpus} thread{'s' if cpus > 1 else ''}\n" in expect.run(quern, "info", "-m", "mean").stdout, "the scratch of so many threads")
    # Longer than the model's positions: cut, with its last token, and said.
    long = "cat " * 60
    done = expect.run(quern, "embed", "-m", "mean", long, "--cache", "cache", status=0, text=False)
    expect(b"embed: 1 of 1 texts are longer than 24 tokens and were cut to that" in done.stderr, done.stderr)
    expect([[float(each) for each in done.stdout.split()]] == vectors("-m", "mean", "cat " * (CONTEXT - 2)), "cut")
    expect(re.search(rb"\n1 text of 24 tokens in [0-9.e+-]+ ms, [0-9.]+ texts/s\n$", done.stderr), done.stderr)
    # What it is not.
    refused("embed: TEXT is missing, or --file F", "-m", "mean", status=2)
    refused("embed: TEXT and --file, one of the two is needed", "-m", "mean", "a", "--file", "lines.txt", status=2)
    write("empty.txt", b"")
    refused("empty.txt: has no texts, a line each", "-m", "mean", "--file", "empty.txt")
    expect(b"unknown flag '--kv'" in run("-m", "mean", "a", "--kv", "q8", status=2).stderr, "there is no KV cache")
    expect(vectors("-m", "mean", "-c", "8", "cat " * 60) == vectors("-m", "mean", "cat " * 6), "-c: tokens of a text at most")
    write("llama.gguf", Model().gguf())
    refused("llama.gguf: is a decoder, which goes on with texts; vectors of texts are made by encoders", "-m", "llama.gguf", "a")
    done = expect.run(quern, "generate", "-m", "mean", "-p", "a", "--cache", "cache", "--quiet", status=3, text=False)
    expect(done.stderr == b"quern: mean: is an encoder, which makes vectors of texts and goes on with none; quern embed makes them\n", done.stderr)
    folder("max", {"pooling_mode_max_tokens": True})
    refused("max/1_Pooling/config.json: 'pooling_mode_max_tokens' is true; pooling_mode_mean_tokens or pooling_mode_cls_token is needed", "-m", "max", "a")
    folder("none", {"pooling_mode_mean_tokens": False})
    refused("none/1_Pooling/config.json: none of pooling_mode_mean_tokens and pooling_mode_cls_token is true; one of the two is needed", "-m", "none", "a")
    folder("dense", modules=[{"type": "sentence_transformers.models.Dense"}])
    refused("dense/modules.json: 'type' is 'sentence_transformers.models.Dense'; Transformer, Pooling and Normalize are built", "-m", "dense", "a")
    folder("object", modules={"0": "sentence_transformers.models.Dense"})
    refused("object/modules.json: is an object, an array is needed", "-m", "object", "a")
expect.finish(38)
