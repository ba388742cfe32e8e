#!/usr/bin/env python3
"""tests/model/places_run.py QUERN — one fact in each of its legal places, what lies beside a model, keys that are ignored on request, and
files that change while they are read. The model's next token is a table: a, b, c, then <|stop|> (256), then a again."""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

quern = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "files"))
from checking import Checks
from make import F32, Tensor, entry, gguf, safetensors
from models import Model, hf_name

expect = Checks(stops=True)
SIZE, HIDDEN = 264, 32
A, B, C, STOP = ord("a"), ord("b"), ord("c"), 256
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": SIZE, "intermediate_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
          "max_position_embeddings": 64, "vocab_size": SIZE, "rms_norm_eps": 1e-5}


def matrix(rows, columns, ones=()):
    values = bytearray(4 * rows * columns)
    for row, column in ones:
        struct.pack_into("<f", values, 4 * (row * columns + column), 1.0)
    return ([columns, rows], F32, bytes(values))


def table(rows=SIZE):
    follows = {A: B, B: C, C: STOP, STOP: A}
    ones = ([SIZE], F32, struct.pack("<f", 1.0) * SIZE)
    tensors = {"token_embd.weight": matrix(rows, SIZE, [(i, i) for i in range(min(rows, SIZE))]), "output.weight": matrix(rows, SIZE, [(follows.get(i, i), i) for i in range(min(rows, SIZE))]), "output_norm.weight": ones,
               "blk.0.attn_norm.weight": ones, "blk.0.ffn_norm.weight": ones}
    for name, out, inner in (("attn_q", SIZE, SIZE), ("attn_k", SIZE, SIZE), ("attn_v", SIZE, SIZE), ("attn_output", SIZE, SIZE), ("ffn_gate", HIDDEN, SIZE), ("ffn_up", HIDDEN, SIZE), ("ffn_down", SIZE, HIDDEN)):
        tensors[f"blk.0.{name}.weight"] = matrix(out, inner)
    return tensors


TABLE = table()


def weights(tensors, names=hf_name):
    header, data = {}, b""
    for name, (dims, _, content) in tensors.items():
        header[names(name)] = entry("F32", dims[::-1], len(data), len(data) + len(content))
        data += content
    return safetensors(header, data)


def alphabet():
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(rest)}}


def tokenizer(added=("<|stop|>", *[f"<extra{i}>" for i in range(7)]), pre=None, **model):
    spelled = alphabet()
    return {"added_tokens": [{"id": 256 + i, "content": content, "special": True} for i, content in enumerate(added)], "pre_tokenizer": pre or {"type": "ByteLevel", "add_prefix_space": False},
            "model": {"type": "BPE", "vocab": {spelled[byte]: byte for byte in range(256)}, "merges": [], "dropout": None, **model}}


def folder(path, config=None, tok=None, tensors=None, **files):
    """Keyword files are JSON beside the model; a config value of None leaves the key out."""
    os.makedirs(path)
    keys = {key: value for key, value in {**CONFIG, **(config or {})}.items() if value is not None}
    contents = {"config": keys, **({} if tok is False else {"tokenizer": tok or tokenizer()}), **files}
    for name, content in contents.items():
        with open(f"{path}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(content, file)
    with open(f"{path}/model.safetensors", "wb") as file:
        file.write(weights(tensors or TABLE))
    return path


def run(*arguments, status=0, command="generate", text=None):
    done = expect.run(quern, command, *arguments, status=status, give=text, text=False)
    return done.stderr.decode() if status else done.stdout.decode().strip()


def generated(model, *prompt, more=("-n", "12"), text=None):
    return run("-m", model, *(prompt or ("-p", "a")), *more, "--temp", "0", "--print-ids", "--cache", "cache", "--quiet", text=text)


def ends():
    """End-of-text wherever a file may say it."""
    places = {"config": ({"eos_token_id": STOP}, {}), "config-list": ({"eos_token_id": [257, STOP]}, {}), "generation": ({}, {"generation_config": {"eos_token_id": STOP}}),
              "generation-list": ({}, {"generation_config": {"eos_token_id": [257, STOP]}}), "generation-null": ({"eos_token_id": STOP}, {"generation_config": {"eos_token_id": None}}),
              "special": ({}, {"special_tokens_map": {"eos_token": "<|stop|>"}}), "special-object": ({}, {"special_tokens_map": {"eos_token": {"content": "<|stop|>"}}}),
              "tokenizer": ({}, {"tokenizer_config": {"eos_token": "<|stop|>"}}), "beyond": ({"eos_token_id": [STOP, 99999]}, {}), "negative": ({"eos_token_id": STOP, "pad_token_id": -1, "bos_token_id": -1}, {}),
              "several": ({"eos_token_id": 257}, {"generation_config": {"eos_token_id": 258}, "tokenizer_config": {"eos_token": "<|stop|>"}})}
    for name, (config, files) in places.items():
        expect(generated(folder(name, config, **files)) == "98,99", name)
    expect(len(generated(folder("nowhere")).split(",")) == 12, "nothing says where the text ends")
    for name, config, files in (("ids", {"eos_token_id": STOP}, {}), ("ids-generation", {}, {"generation_config": {"eos_token_id": [STOP]}})):
        expect(generated(folder(name, config, False, **files), "--ids", "97") == "98,99", name)
    expect("'eos_token_id' is a string, a token id is needed" in run("-m", folder("text", {"eos_token_id": "x"}), "-p", "a", status=3), "a string is no id")


def other_facts():
    """Sizes that have several places, and descriptions that leave one out."""
    expect(generated(folder("typed-only", {"architectures": None})) == generated(folder("both")), "model_type stands for architectures")
    expect(generated(folder("base-inside", {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}})).startswith("98,99"), "rope_parameters")
    expect(generated(folder("dynamic", {"rope_scaling": {"type": "dynamic", "factor": 2.0}})).startswith("98,99"), "dynamic scaling within the context is none")
    expect(generated(folder("slashes") + "///").startswith("98,99"), "slashes at the end")
    message = run("-m", folder("elsewhere", {"hidden_size": None}) + "//", "-p", "a", status=3)
    expect(message == "quern: elsewhere/config.json: 'hidden_size' is missing\n", message)


def tokens_beyond():
    """A tokenizer with more tokens than the weights have rows."""
    more = tokenizer(added=("<|stop|>", *[f"<extra{i}>" for i in range(7)], "<pad>"))
    path = folder("beyond-rows", {"eos_token_id": STOP}, more)
    expect(generated(path) == "98,99", "text that does not use it")
    message = run("-m", path, "-p", "a<pad>", "--special", "--cache", "cache", status=3)
    expect(message == "quern: beyond-rows: token 264 is outside its vocabulary of 264\n", message)
    tokens = [f"t{i}" for i in range(SIZE + 1)]
    pairs = [("general.architecture", "str", "llama"), ("llama.block_count", "u32", 1), ("llama.context_length", "u32", 64), ("llama.embedding_length", "u32", SIZE), ("llama.feed_forward_length", "u32", HIDDEN),
             ("llama.attention.head_count", "u32", 2), ("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5), ("tokenizer.ggml.model", "str", "llama"), ("tokenizer.ggml.tokens", "arr", ("str", tokens))]
    key = ("llama.vocab_size", "u32", 32000)
    for name, extra in (("rows.gguf", []), ("stale.gguf", [key])):
        given = [(k, t, ("str", tokens[:SIZE])) if k.endswith("tokens") and extra else (k, t, v) for k, t, v in pairs]
        with open(name, "wb") as file:
            file.write(gguf(pairs=given + extra, tensors=[Tensor(n, *rest) for n, rest in TABLE.items()]))
        expect(generated(name, "--ids", "97", more=("-n", "2")) == "98,99", name)


def scaled():
    """GGUF: a factor alone is linear, 0 and the type none say nothing, and keys that many files carry change nothing."""
    outputs = {}
    plain = [("tensor_data_layout", "str", "Meta AI original pth"), ("expert_count", "u32", 0), ("expert_used_count", "u32", 0), ("rope.scaling.finetuned", "bool", True), ("attention.causal", "bool", True),
             ("logit_scale", "f32", 1.0), ("pooling_type", "u32", 0), ("attention.sliding_window", "u32", 0), ("rope.scaling.original_context_length", "u32", 16), ("attention.scale", "f32", 8 ** -0.5)]
    for name, keys in (("none", []), ("zero", [("rope.scaling.factor", "f32", 0.0)]), ("off", [("rope.scaling.type", "str", "none"), ("rope.scaling.factor", "f32", 4.0)]), ("plain", plain),
                       ("linear", [("rope.scaling.type", "str", "linear"), ("rope.scaling.factor", "f32", 4.0)]), ("factor", [("rope.scaling.factor", "f32", 4.0)]),
                       ("older", [("rope.scale_linear", "f32", 4.0)]), ("oldest", [("rope.scale", "f32", 4.0)])):
        model = Model()
        for key, kind, content in keys:
            model.set("llama." + key, kind, content)
        with open("scaled.gguf", "wb") as file:
            file.write(model.gguf())
        run("-m", "scaled.gguf", "--ids", "1,5,17,200,33", "-o", "out.npy", "--cache", "cache", command="logits")
        with open("out.npy", "rb") as file:
            outputs[name] = file.read()
    for name in ("zero", "off", "plain"):
        expect(outputs[name] == outputs["none"], name)
    for name in ("factor", "older", "oldest"):
        expect(outputs[name] == outputs["linear"], name)
    expect(outputs["linear"] != outputs["none"], "the factor counts")


def beside():
    """What lies beside model.safetensors."""
    stop = {"eos_token_id": STOP}
    for name in ("adapter_model.safetensors", "consolidated.safetensors", "optimizer.safetensors"):
        path = folder("beside-" + name, stop)
        with open(f"{path}/{name}", "wb") as file:
            file.write(weights({"token_embd.weight": TABLE["token_embd.weight"]}, lambda _: "tok_embeddings.weight"))
        expect(generated(path) == "98,99", name)
    index = {"model.safetensors.index": {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}}
    path = folder("stale", stop, **index)
    expect(generated(path) == "98,99", "a stale index")
    said = subprocess.run([quern, "generate", "-m", path, "-p", "a", "--temp", "0", "--cache", "cache"], capture_output=True, timeout=60).stderr.decode()
    expect("warning: stale/model.safetensors.index.json: passed over: it does not name model.safetensors, which is the model\n" in said, said)
    one = {"model.safetensors.index": {"weight_map": {hf_name(name): "model.safetensors" for name in TABLE}}}
    expect(generated(folder("indexed", stop, **one)) == "98,99", "an index of the one file")
    head = {**TABLE, "v_head.summary.weight": ([SIZE, 1], F32, bytes(4 * SIZE)), "v_head.summary.bias": ([1], F32, bytes(4))}
    path = folder("value-head", stop)
    with open(path + "/model.safetensors", "wb") as file:
        file.write(weights(head, lambda name: name if name.startswith("v_head") else hf_name(name)))
    expect(generated(path) == "98,99", "a value head")
    path = folder("adapter-only", stop)
    os.rename(path + "/model.safetensors", path + "/adapter_model.safetensors")
    message = run("-m", path, "-p", "a", status=3)
    expect(message == "quern: adapter-only: has no model.safetensors; 'adapter_model.safetensors' is an adapter, which needs the model it was made for\n", message)


def ignored():
    """--ignore-key, on every command that takes a model."""
    path = folder("soft", {"final_logit_softcapping": 30.0, "rope_scaling": {"rope_type": "ntk", "factor": 4.0}, "eos_token_id": STOP})
    keys = ["--ignore-key", "final_logit_softcapping", "--ignore-key", "rope_scaling"]
    refused = run("-m", path, "-p", "a", status=3)
    expect("'rope_type' is ntk" in refused, refused)
    expect("'final_logit_softcapping' is 30" in run("-m", path, "-p", "a", *keys[2:], status=3), "the other key")
    expect(generated(path, more=("-n", "12", *keys)) == "98,99", "both ignored")
    said = subprocess.run([quern, "generate", "-m", path, "-p", "a", "--temp", "0", "--cache", "cache", *keys], capture_output=True, timeout=60).stderr.decode()
    expect(said.count("warning: soft/config.json: '") == 2 and "'rope_scaling' is ignored, as --ignore-key says: the result may be another\n" in said, said)
    message = run("-m", path, "-p", "a", "--ignore-key", "rope_scalin", status=2)
    expect(message == "quern: --ignore-key rope_scalin: soft/config.json has no such key, did you mean 'rope_scaling'?\n", message)
    expect("'rope_type' is ntk" in run("-m", path, command="info") and "would be refused" not in run("-m", path, *keys, command="info"), "info says what would be refused")
    run("-m", path, "--ids", "97", "-o", "l.npy", "--cache", "cache", *keys, command="logits")
    run("-m", path, *keys, "a", command="tokenize")
    run("-m", path, *keys, "-o", "bundle", "--cache", "cache", command="emit")
    with open("abc.txt", "w", encoding="utf-8") as file:
        file.write("abcabc")
    run("-m", path, "--file", "abc.txt", "--cache", "cache", *keys, command="perplexity")
    expect("--ignore-key goes with --model" in run("matmul m=4 n=4 k=4", "--ignore-key", "x", "-o", "b", status=2, command="emit"), "without a model")
    expect("--ignore-key goes with --model" in run("matmul m=4 n=4 k=4", "--ignore-key", "x", status=2, command="bench"), "without a model")


def tokenizers():
    """tokenizer.json alone, without a type, and with stages before ByteLevel."""
    os.makedirs("alone")
    with open("alone/tokenizer.json", "w", encoding="utf-8") as file:
        json.dump(tokenizer(), file)
    expect(run("-m", "alone", "--ids", "ab", command="tokenize") == "97,98", "no model is needed")
    typeless = tokenizer()
    del typeless["model"]["type"]
    expect(generated(folder("typeless", {"eos_token_id": STOP}, typeless)) == "98,99", "no type")
    null = tokenizer(type=None)
    expect(generated(folder("type-null", {"eos_token_id": STOP}, null)) == "98,99", "a type that is null")
    word = {"model": {"vocab": {"a": 97}, "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}}
    expect(run("-m", folder("wordpiece", {}, word), "--ids", "a", command="tokenize") == "97", "WordPiece, by what only it has")
    words = {"model": {"vocab": {"a": 0}, "unk_token": "a"}}
    expect("no merges say that it is BPE" in run("-m", folder("untold", {}, words), "-p", "a", status=3), "another type without its name")


def habits():
    """What people type who come from llama.cpp."""
    path = folder("habits", {"eos_token_id": STOP})
    for more in (("-n", "-1"), ("-n", "-2"), ("-n", "12", "-s", "-1"), ("-n", "12", "--seed", "-1")):
        expect(generated(path, more=more) == "98,99", more)
    expect(generated(path, "-f", "-", text=b"a") == "98,99", "the prompt in stdin")
    expect(run("-m", path, "--file", "-", "--ids", command="tokenize", text=b"ab") == "97,98", "the text in stdin")
    expect(run("-m", path, "--file", "-", "--cache", "cache", command="perplexity", text=b"abc").startswith("perplexity"), "the text in stdin")
    said = subprocess.run([quern, "generate", "-m", path, "-p", "a", "-s", "-1", "--cache", "cache"], capture_output=True, timeout=60).stderr.decode()
    expect("seed " in said and "seed -1" not in said, said)
    run("-m", path, "-p", "a", "-n", "-3", status=2)


def cut_short():
    """A file that becomes shorter, or is written over, while it is read."""
    rows, width = 32768, 256
    tensors = [Tensor("token_embd.weight", [width, rows], F32, bytes(4 * rows * width)), Tensor("output.weight", [width, rows], F32, bytes(4 * rows * width))]
    content = gguf(pairs=[("general.architecture", "str", "llama")], tensors=tensors)
    for name, change in (("cut", lambda file: os.truncate(file, 1000000)), ("cut-in-page", lambda file: os.truncate(file, len(content) - 8)), ("touched", lambda file: os.utime(file))):
        file = name + ".gguf"
        for wait in (0.0, 0.01, 0.02, 0.04, 0.08):  # before, while and behind: once at least while
            with open(file, "wb") as out:
                out.write(content)
            done = subprocess.Popen([quern, "info", "--check", "-m", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(wait)
            change(file)
            _, err = done.communicate(timeout=60)
            expect(done.returncode in (0, 3) and (done.returncode == 0 or file.encode() in err), (name, wait, done.returncode, err))
    # A process that stands still with the file mapped is cut for certain.
    with open("still.gguf", "wb") as out:
        out.write(content)
    seen = 0
    for wait in (0.005, 0.01, 0.015, 0.02, 0.03):
        with open("still.gguf", "wb") as out:
            out.write(content)
        done = subprocess.Popen([quern, "info", "--check", "-m", "still.gguf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(wait)
        done.send_signal(signal.SIGSTOP)
        os.truncate("still.gguf", 1000000)
        done.send_signal(signal.SIGCONT)
        _, err = done.communicate(timeout=60)
        expect(done.returncode >= 0, (wait, done.returncode))
        seen += err == b"quern: still.gguf: became shorter while it was read\n" and done.returncode == 3
    expect(seen > 0, "no run was cut while it read")


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    for part in (ends, other_facts, tokens_beyond, scaled, beside, ignored, tokenizers, habits, cut_short):
        part()
expect.finish(60)
