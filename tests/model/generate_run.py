#!/usr/bin/env python3
"""tests/model/generate_run.py QUERN — `quern generate` and `quern perplexity` as a user runs them, on small random models."""
import json
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile

quern = os.path.abspath(sys.argv[1])
shared = os.environ.get("QUERN_SHARED") or os.path.join(os.path.abspath(__file__ + "/../../../.."), "shared")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, read_npy, write
from models import F32, Model, Tensor, floats, gguf, gpt2, hf_folder, vocabulary

expect = Checks(stops=True)
CONTEXT = 96
PLAIN = ["--cache", "cache", "--quiet"]


def run(*arguments, status=0, command="generate"):
    return expect.run(quern, command, *arguments, *PLAIN, status=status, text=False)


def text(*arguments):
    done = run("-m", "m.gguf", *arguments)
    expect(done.stderr == b"", done.stderr)
    return done.stdout.decode()  # it is always UTF-8


def ids(*arguments):
    return [int(one) for one in text(*arguments, "--print-ids").split(",")]


def refused(message, *arguments, status=3, command="generate"):
    done = run(*arguments, status=status, command=command)
    expect(done.stderr.decode() == f"quern: {message}\n" and done.stdout == b"", (done.stderr, message))


def piece(number, tokens):
    token = tokens[number]
    if token.startswith("<0x"):
        return bytes([int(token[3:5], 16)])
    return b"" if number < 3 else token.replace("\u2581", " ").encode()


def repeats():
    """The same seed gives the same text on any number of threads, and at temperature 0 any seed does."""
    wanted = text("-p", "a word", "-n", "60", "--seed", "7")
    expect(len(wanted) > 40, wanted)
    for threads in ("1", "2", "3", "7"):
        expect(text("-p", "a word", "-n", "60", "--seed", "7", "-t", threads) == wanted, f"{threads} threads")
    others = {text("-p", "a word", "-n", "60", "--seed", str(seed)) for seed in (0, 1, 8, 9)}
    expect(len(others | {wanted}) == 5, "other seeds, other texts")
    greedy = text("-p", "a word", "-n", "60", "--temp", "0")
    for more in ([], ["--seed", "5"], ["-t", "3"], ["--top-k", "1"]):
        expect(text("-p", "a word", "-n", "60", "--temp", "0", *more) == greedy, f"greedy {more}")
    expect(text("-p", "a word", "-n", "60", "--temp", "1", "--top-k", "1", "--seed", "4") == greedy, "of the likeliest one")
    expect(greedy != wanted, "greedy and drawn")
    expect(text("-p", "a word", "-n", "60", "--temp", "0", "--repeat-penalty", "1.5") != greedy, "a penalty")
    again = [run("-m", "m.gguf", "-p", "a word", "-n", "60").stdout for _ in range(2)]
    expect(again[0] != again[1], "random seeds")
    said = subprocess.run([quern, "generate", "-m", "m.gguf", "-p", "a word", "-n", "60", "--cache", "cache"], capture_output=True, stdin=subprocess.DEVNULL)
    seed = said.stderr.decode().split("seed ")[1].strip()
    expect(text("-p", "a word", "-n", "60", "--seed", seed).encode() == said.stdout, "the seed that was said")


def lengths():
    expect(text("-p", "a word", "-n", "0") == "\n", "no tokens")
    for count, shown in (("0", False), ("1", True)):
        said = expect.run(quern, "generate", "-m", "m.gguf", "-p", "a word", "-n", count, "--seed", "1", "--cache", "cache").stderr
        expect(("first token" in said) == shown, said)
    expect(text("-p", "a word", "-n", "0", "--echo") == "a word\n", "the prompt alone")
    for count in (1, 2, 17):
        expect(len(ids("--ids", "1,270", "-n", str(count), "--seed", "3")) == count, count)
    long, short = ids("--ids", "1,270", "-n", "40", "--seed", "3"), ids("--ids", "1,270", "-n", "17", "--seed", "3")
    expect(long[:17] == short, "fewer tokens are the first of more")
    expect(len(ids("--ids", "1,270", "--seed", "3")) == CONTEXT - 2 + 1, "to the end of the context")
    expect(len(ids("--ids", "1,270", "--seed", "3", "-c", "20")) == 20 - 2 + 1, "to the end of a shorter one")
    expect(len(ids("--ids", "1,270", "--seed", "3", "-c", "20", "-n", "1000")) == 20 - 2 + 1, "no further than the context")
    expect(ids("--ids", ",".join(["270"] * CONTEXT), "--temp", "0", "-n", "5") == ids("--ids", ",".join(["270"] * CONTEXT), "--temp", "0"), "a full context gives one token")
    refused(f"the prompt has {CONTEXT + 1} tokens, the context {CONTEXT}", "-m", "m.gguf", "--ids", ",".join(["270"] * (CONTEXT + 1)))
    refused("the prompt has 9 tokens, the context 8", "-m", "m.gguf", "-p", "a b c d", "-c", "8")
    refused(f"m.gguf: a context of {CONTEXT + 1} is asked for, the model was made for {CONTEXT}", "-m", "m.gguf", "-p", "a", "-c", str(CONTEXT + 1))


def prompts():
    tokens = vocabulary(700)[0]
    alone = text("-p", "a word", "-n", "30", "--seed", "3")
    expect(text("-p", "a word", "-n", "30", "--seed", "3", "--echo") == "a word" + alone, "echo")
    expect(text("--prompt", "a word", "--number", "30", "--seed", "3") == alone, "long names")
    write("prompt.txt", b"a word")
    expect(text("-f", "prompt.txt", "-n", "30", "--seed", "3") == alone, "-f")
    write("lines.txt", b"two\nlines\xc3\xa9\n")
    expect(text("-f", "lines.txt", "-n", "3", "--seed", "3", "--echo").startswith("two\nlines\u00e9\n"), "a file's bytes as they are")
    drawn = ids("-p", "a word", "-n", "30", "--seed", "3")
    expect(b"".join(piece(one, tokens) for one in drawn).decode(errors="replace") + "\n" == alone, "ids and text")
    prompt = [int(one) for one in subprocess.run([quern, "tokenize", "-m", "m.gguf", "--ids", "a word"], capture_output=True, check=True).stdout.split(b",")]
    expect(prompt[0] == 1 and ids("--ids", ",".join(map(str, prompt)), "-n", "30", "--seed", "3") == drawn, "ids of the prompt")
    expect(ids("--ids", ",".join(map(str, prompt)), "-n", "30", "--seed", "3", "--echo") == prompt + drawn, "echoed ids")
    expect(text("-p", "", "-n", "30", "--seed", "3") == text("--ids", "1", "-n", "30", "--seed", "3"), "begin-of-text alone")
    half = ids("-p", "a word", "-n", "30", "--temp", "0", "--kv", "f16")
    expect(len(half) == 30 and half == ids("-p", "a word", "-n", "30", "--temp", "0", "--kv", "f16", "-t", "2"), "a cache of f16")
    write("wide.gguf", small(width=64, heads=2, kv_heads=1, seed=5).gguf())
    kept = ["-m", "wide.gguf", "--ids", "1,270", "-n", "30", "--temp", "0", "--kv", "q8", "--print-ids"]
    blocks = run(*kept, "-t", "1").stdout
    expect(blocks.count(b",") == 29 and blocks == run(*kept, "-t", "2").stdout, f"a cache of q8_0: {blocks}")
    caches = json.loads(expect.run(quern, "info", "-m", "m.gguf", "--json", "-").stdout)["kv_cache_bytes"]
    elements = 2 * 2 * CONTEXT * 2 * 8
    expect(caches == {"f32": 4 * elements, "f16": 2 * elements, "bf16": 2 * elements}, caches)
    for command, more in (("generate", ["-p", "a"]), ("logits", ["--ids", "1", "-o", "l.npy"]), ("bench", [])):
        refused("--kv q8 keeps blocks of 32 elements of a head, the heads of m.gguf have 8: a multiple of 32 is needed, or --kv bf16", "-m", "m.gguf", "--kv", "q8", *more, status=2, command=command)
    refused("absent.txt: No such file or directory", "-m", "m.gguf", "-f", "absent.txt")
    refused("generate: one of --prompt, --file and --ids", "-m", "m.gguf", "-p", "a", "--ids", "1", status=2)
    refused("generate: 'word' goes behind --prompt", "-m", "m.gguf", "word", status=2)
    refused("--ids has '-1', ids such as 1,2,3 are needed", "-m", "m.gguf", "--ids", "1,-1", status=2)
    refused("--kv q4 is not f32, f16, bf16 or q8", "-m", "m.gguf", "-p", "a", "--kv", "q4", status=2)
    refused("--temp -1: 0 to 1000 are legal", "-m", "m.gguf", "-p", "a", "--temp", "-1", status=2)
    refused("generate: --model M is missing: a .gguf file, a folder, or a name in configs/models", "-p", "a", status=2)


def stops():
    """A stop string is not shown, nor any part of it, wherever tokens cut it; of the prompt nothing is looked at."""
    seed = next(str(one) for one in range(99) if "\0" not in text("-p", "a word", "-n", "60", "--seed", str(one)))
    whole = text("-p", "a word", "-n", "60", "--seed", seed)[:-1]
    for begin, length in ((0, 1), (9, 1), (10, 3), (20, 7), (30, 2)):
        stop = whole[begin:begin + length]
        for echo in ([], ["--echo"]):
            got = text("-p", "a word", "-n", "60", "--seed", seed, "--stop", stop, *echo)
            expect(got == ("a word" if echo else "") + whole[:whole.index(stop)] + "\n", (stop, got, whole))
    several = text("-p", "a word", "-n", "60", "--seed", seed, "--stop", "never said", "--stop", whole[20:24], "--stop", whole[10:13])
    expect(several == whole[:min(whole.index(whole[20:24]), whole.index(whole[10:13]))] + "\n", several)
    expect(text("-p", "a word", "-n", "60", "--seed", seed, "--stop", whole[50:] + "and more") == whole + "\n", "what was held back comes at the end")
    refused("generate: --stop is empty, which would stop everything", "-m", "m.gguf", "-p", "a", "--stop", "", status=2)
    refused("generate: --stop has 4097 bytes, at most 4096 are looked for", "-m", "m.gguf", "-p", "a", "--stop", "a" * 4097, status=2)
    refused("generate: --stop is about text, --print-ids shows ids", "-m", "m.gguf", "-p", "a", "--stop", "a", "--print-ids", status=2)
    # As they are typed elsewhere: to the end, a random seed, the prompt through the pipe.
    piped = subprocess.run([quern, "generate", "-m", "m.gguf", "-f", "-", "-n", "-1", "-s", "3", *PLAIN], input=b"a word", capture_output=True)
    expect(piped.returncode == 0 and piped.stdout.decode() == text("-p", "a word", "-s", "3"), piped)
    expect(text("-p", "a word", "-n", "40", "-s", "-1") != text("-p", "a word", "-n", "40", "-s", "-1"), "random seeds")
    # Control tokens in a prompt are text, which is said.
    for prompt, flags, said in (("a</s>b", [], True), ("a</s>b", ["--special"], False), ("a b", [], False)):
        remark = expect.run(quern, "generate", "-m", "m.gguf", "-p", prompt, "-n", "1", "--cache", "cache", *flags).stderr
        expect(("the prompt spells control tokens (</s>), which are read as text: --special reads them" in remark) == said, remark)


def strides():
    """Windows a stride apart: each token once, with as much before it as its window has."""
    write("long.txt", b"a text of some words that is longer than the context")
    numbers = [int(one) for one in subprocess.run([quern, "tokenize", "-m", "m.gguf", "--ids", "-f", "long.txt"], capture_output=True, check=True).stdout.split(b",")]
    for stride in (1, 3, 8):
        total, counted, done, first = 0, 0, 0, 0
        while done < len(numbers) and first + 1 < len(numbers):
            window = numbers[first:first + 8]
            run("-m", "m.gguf", "--ids", ",".join(map(str, window)), "-o", "logits.npy", command="logits")
            _, logits = read_npy("logits.npy")
            for place in range(max(done, first + 1), first + len(window)):
                row = logits[700 * (place - first - 1):700 * (place - first)]
                total += math.log(sum(math.exp(one) for one in row)) - row[numbers[place]]
                counted += 1
            done, first = first + len(window), first + stride
        expect(stride == 8 or counted == len(numbers) - 1, (stride, counted))
        got = json.loads(run("-m", "m.gguf", "--file", "long.txt", "-c", "8", "--stride", str(stride), "--json", "-", command="perplexity").stdout)
        strided = got["strided"]
        expect(got["stride"] == stride and strided["tokens"] == counted and abs(strided["nll_sum"] / total - 1) < 1e-6, (got, total, counted))
        expect((strided["nll_sum"] == got["nll_sum"]) == (stride == 8), (stride, got))
    lines = run("-m", "m.gguf", "--file", "long.txt", "-c", "8", "--stride", "4", command="perplexity").stdout.decode().split("\n")
    expect(len(lines) == 3 and lines[1].endswith(", windows 4 tokens apart as Hugging Face counts"), lines)
    refused("perplexity: --stride 9 is not a whole number from 1 to 8", "-m", "m.gguf", "--file", "long.txt", "-c", "8", "--stride", "9", status=2, command="perplexity")


def ends():
    """The token that the file calls end-of-text is not printed and ends the text."""
    drawn = ids("--ids", "1,270", "-n", "30", "--temp", "1", "--seed", "6")
    at = next(i for i in range(4, 30) if drawn[i] not in drawn[:i] and drawn[i] > 2)
    write("ends.gguf", small().set("tokenizer.ggml.eos_token_id", "u32", drawn[at]).gguf())
    for flags in (["-n", "30"], []):
        done = run("-m", "ends.gguf", "--ids", "1,270", "--temp", "1", "--seed", "6", "--print-ids", *flags)
        expect([int(one) for one in done.stdout.split(b",")] == drawn[:at], (drawn, done.stdout))
    done = run("-m", "ends.gguf", "--ids", f"1,{drawn[at]}", "-n", "3", "--temp", "0", "--print-ids")  # in a prompt it ends nothing
    expect(done.stdout.count(b",") == 2, done.stdout)


def tokenizers():
    """Rows of the table that are no tokens are not drawn. End-of-text goes behind a whole text, not behind a prompt."""
    padded = small().set("llama.vocab_size", "u32", 700)
    for key in ("tokens", "scores", "token_type"):
        kind, (element, values) = padded.pairs["tokenizer.ggml." + key]
        padded.set("tokenizer.ggml." + key, kind, (element, values[:300]))
    write("padded.gguf", padded.gguf())
    drawn = run("-m", "padded.gguf", "--ids", "1,270", "-n", "60", "--temp", "5", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "1", "--print-ids").stdout
    expect(drawn.count(b",") == 59 and all(int(one) < 300 for one in drawn.split(b",")), drawn)
    write("eos.gguf", small().set("tokenizer.ggml.add_eos_token", "bool", 1).gguf())
    for flags, wanted in (([], False), (["--special"], True)):
        shown = run("-m", "m.gguf", "-p", "a</s>word", "-n", "0", "--echo", "--print-ids", *flags).stdout
        expect((b",2," in shown) == wanted, (flags, shown))
    whole = subprocess.check_output([quern, "tokenize", "-m", "eos.gguf", "--ids", "a word"])
    shown = run("-m", "eos.gguf", "-p", "a word", "-n", "0", "--echo", "--print-ids").stdout
    expect(whole.strip() == shown.strip() + b",2", (whole, shown))


def disk():
    """A full disk is an error, not an end."""
    for command in (["generate", "-m", "m.gguf", "-p", "a", "-n", "3", *PLAIN], ["info", "-m", "m.gguf"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([quern, *command], stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        expect(done.returncode == 4 and done.stderr == b"quern: stdout: cannot write: No space left on device\n", (done.returncode, done.stderr))


def folders():
    """A folder without a tokenizer works with ids, and says so of text. A GPT-2 as well as a Llama."""
    hf_folder("folder", small())
    out = run("-m", "folder", "--ids", "1,270", "-n", "8", "--temp", "0", "--print-ids").stdout
    expect(out.count(b",") == 7, out)
    refused("folder: has no tokenizer.json, tokenizer.model, vocab.json and merges.txt, or vocab.txt, so text cannot be encoded; ids work", "-m", "folder", "-p", "a")
    refused("folder: has no tokenizer: --ids with --print-ids work, text does not", "-m", "folder", "--ids", "1")
    write("gpt2.gguf", gpt2(vocab=400, context=32).gguf())
    out = run("-m", "gpt2.gguf", "--ids", "1,270", "-n", "8", "--temp", "0", "--print-ids").stdout
    expect(out.count(b",") == 7, out)


def interrupted():
    """Ctrl-C ends with 130 behind a whole token, and what was printed stays."""
    write("long.gguf", small(context=200000).gguf())
    endless = [quern, "generate", "-m", "long.gguf", "--ids", "1,270", "--print-ids", "--temp", "0", *PLAIN]
    running = subprocess.Popen(endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0)
    first = running.stdout.read(400)
    running.send_signal(signal.SIGINT)
    rest, said = running.communicate(timeout=60)
    made = (first + rest).decode()
    expect(running.returncode == 130, (running.returncode, said))
    expect(made.endswith("\n") and made.count(",") < 199990, made[-100:])
    wanted = run("-m", "long.gguf", "--ids", "1,270", "--print-ids", "--temp", "0", "-n", "100").stdout.decode()
    expect(made.startswith(wanted[:-1] + ",") or wanted.startswith(made[:-1]), (made[:100], wanted[:100]))
    # In the prompt too: all of it is shown, and nothing behind it.
    with open("prompt.txt", "w") as file:
        file.write("a word " * 25000)
    given = json.loads(subprocess.check_output([quern, "tokenize", "-m", "long.gguf", "-f", "prompt.txt", "--json", "-"]))["ids"]
    flags = [quern, "generate", "-m", "long.gguf", "-f", "prompt.txt", "--echo", "--print-ids", "-n", "5", "--cache", "cache"]
    running = subprocess.Popen(flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0)
    made, wanted = b"", ",".join(map(str, given)).encode()
    while len(made) < len(wanted):
        made += running.stdout.read(65536)
    running.send_signal(signal.SIGINT)
    rest, said = running.communicate(timeout=60)
    through = int(said.decode().split("prefill ")[1].split(" ")[0])
    expect(running.returncode == 130 and made + rest == wanted + b"\n", (running.returncode, rest, said))
    expect(through < len(given) and through % 512 == 0, (through, len(given), said))
    # A reader that goes away ends it quietly.
    running = subprocess.Popen(endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    expect(len(running.stdout.read(100)) == 100, "output")
    running.stdout.close()
    said = running.stderr.read()
    running.stderr.close()
    expect(running.wait(timeout=60) == 0 and said == b"", said)


def windows():
    """A text longer than the context: windows of it, each from an empty cache, from the logits that `quern logits` writes."""
    write("long.txt", b"a text of some words that is longer than the context")
    numbers = [int(one) for one in subprocess.run([quern, "tokenize", "-m", "m.gguf", "--ids", "-f", "long.txt"], capture_output=True, check=True).stdout.split(b",")]
    total = counted = 0
    for first in range(0, len(numbers) - 1, 8):
        window = numbers[first:first + 8]
        run("-m", "m.gguf", "--ids", ",".join(map(str, window)), "-o", "logits.npy", command="logits")
        with open("logits.npy", "rb") as file:
            content = file.read()
        begin = 10 + struct.unpack("<H", content[8:10])[0]
        expect(f"({len(window)}, 700)".encode() in content[:begin], content[:begin])
        for row, wanted in enumerate(window[1:]):
            logits = struct.unpack_from("<700f", content, begin + 4 * 700 * row)
            total += math.log(sum(math.exp(one) for one in logits)) - logits[wanted]
            counted += 1
    expect(counted > 16 and counted < len(numbers) - 1, counted)
    got = json.loads(run("-m", "m.gguf", "--file", "long.txt", "-c", "8", "--json", "-", command="perplexity").stdout)
    expect(got["tokens"] == counted and abs(got["nll_sum"] / total - 1) < 1e-6, (got, total, counted))
    refused("--ids has 97 tokens, the context 96", "-m", "m.gguf", "--ids", ",".join(["5"] * 97), "-o", "logits.npy", command="logits")


def perplexity():
    """The recorded figure, from the program; through the library: StoriesTest.cpp."""
    model, wanted = os.path.join(shared, "models", "stories260K", "stories260K.gguf"), os.path.join(shared, "models", "stories260K", "expected.json")
    if not os.path.exists(model):
        return print("skipped: perplexity: stories260K is not here")
    with open(wanted, encoding="utf-8") as file:
        wanted = json.load(file)
    with open("text.txt", "w", encoding="utf-8") as file:
        file.write(wanted["perplexity"]["text"])
    for flags in ([], ["-t", "2"]):
        got = json.loads(run("-m", model, "--file", "text.txt", "--json", "-", *flags, command="perplexity").stdout)
        expect(abs(got["perplexity"] / wanted["perplexity"]["value"] - 1) < wanted["perplexity"]["relative_tolerance"], got)
        expect(got["tokens"] == len(wanted["perplexity"]["ids"]) - 1, got)
    refused("a context of 1 leaves nothing to tell from: 2 are needed", "-m", model, "--file", "text.txt", "-c", "1", command="perplexity")
    expect(run("-m", model, "--file", "text.txt", command="perplexity").stdout.startswith(b"perplexity 4.9536"), "the line")
    story = wanted["greedy"][0]["starts_with"]
    told = run("-m", model, "-p", "", "--temp", "0", "-n", "400").stdout.decode()
    expect(told.startswith(story), told)
    for before in ("403", "1,403"):  # only a text that begins loses its first blank
        expect(run("-m", model, "--ids", before, "--temp", "0", "-n", "1").stdout == b" upon\n", before)
    for entry in wanted["greedy"][1:]:
        got = run("-m", model, "-p", entry["prompt"], "--temp", "0", "-n", str(len(entry["ids"])), "--print-ids").stdout
        expect([int(one) for one in got.split(b",")] == entry["ids"], got)
    return None


def sliding():
    """Layers with a window keep the last positions only."""
    write("w.gguf", small(context=4000).set("llama.attention.sliding_window", "u32", 50).gguf())
    said = expect.run(quern, "info", "-m", "w.gguf").stdout
    kept = 50 + 512 + 63
    kept += -kept % (4096 // (2 * 8 * 4))  # whole pages of rows of two heads of eight
    expect(json.loads(expect.run(quern, "info", "-m", "w.gguf", "--json", "-").stdout)["kv_cache_bytes"]["f32"] == 2 * 2 * kept * 64, said)
    rows = json.loads(expect.run(quern, "bench", "--model", "w.gguf", "--prefill", "1000", "--decode", "4", "--depth", "2000", "--json", "-", *PLAIN).stdout)["rows"]
    back = kept - 50 + 1
    expect([row["id"] for row in rows] == [f"pp{back}@d2000", "tg4@d2000"] and rows[0]["note"] == f"cut to {back}: caches of layers with windows go back no further", rows)
    # A text far beyond what is kept, the same in one run and token by token.
    prompt = ",".join(str(5 + i * 7 % 600) for i in range(1500))
    two = [run("-m", "w.gguf", "--ids", prompt, "--temp", "0", "-n", "12", "--print-ids", "-t", str(threads)).stdout for threads in (1, 2)]
    expect(two[0] == two[1] and two[0].count(b",") == 11, two)


def adapters():
    """--lora: a scale of 0 is no adapter, others are another model; what it takes is said."""
    import random
    rng = random.Random(3)

    def adapter(name, architecture="llama"):
        pairs = [("general.architecture", "str", architecture), ("general.type", "str", "adapter"), ("adapter.type", "str", "lora"), ("adapter.lora.alpha", "f32", 8.0)]
        write(name, gguf(pairs=pairs, tensors=[Tensor("blk.1.attn_q.weight.lora_a", [32, 4], F32, floats(rng, 128, 1)), Tensor("blk.1.attn_q.weight.lora_b", [4, 32], F32, floats(rng, 128, 1))]))

    adapter("a.gguf")
    adapter("b.gguf", "qwen2")
    prompt = ("-p", "some words", "-n", "40", "--temp", "0", "--compute", "exact")
    plain, adapted, half = text(*prompt), text(*prompt, "--lora", "a.gguf"), text(*prompt, "--lora", "a.gguf:0.5")
    expect(len({plain, adapted, half}) == 3, "an adapter makes another model")
    expect(text(*prompt, "--lora", "a.gguf:0") == plain, "times 0")
    expect(text(*prompt, "--lora", "a.gguf:0.25", "--lora", "a.gguf:0.25") == half, "two halves of a half")
    write("a.gguf:0.5", open("a.gguf", "rb").read())
    expect(text(*prompt, "--lora", "a.gguf:0.5") == adapted, "a file whose name ends so")
    refused("b.gguf: 'general.architecture' is qwen2, 'llama', the model's, is needed", "-m", "m.gguf", "--lora", "b.gguf", "-p", "a")
    refused("--lora a.gguf:much: 'much' is no number; FILE[:SCALE] is needed", "-m", "m.gguf", "--lora", "a.gguf:much", "-p", "a", status=2)
    refused("m.gguf: 'general.type' is missing, 'adapter' is needed", "-m", "m.gguf", "--lora", "m.gguf", "-p", "a")
    refused("emit: --lora does not go with --weights: a bundle's own model has its file's weights", "-m", "m.gguf", "--lora", "a.gguf", "--weights", "-o", "bundle", status=2, command="emit")
    told = json.loads(expect.run(quern, "info", "-m", "m.gguf", "--lora", "a.gguf", "--json", "-", "-c", "48").stdout)
    alone = json.loads(expect.run(quern, "info", "-m", "m.gguf", "--json", "-").stdout)
    expect(alone["memory_bytes"]["kv_cache"] == alone["kv_cache_bytes"]["f32"] == 2 * told["memory_bytes"]["kv_cache"], (alone, told))
    expect(told["memory_bytes"]["weights"] - alone["memory_bytes"]["weights"] >= 4 * 2 * 128, told)
    # The table of tokens stays in the file.
    expect(alone["memory_bytes"]["weights"] >= (alone["parameters"] - 700 * 32) * 4 and alone["memory_bytes"]["scratch"] > 0, alone)
    said = expect.run(quern, "info", "-m", "m.gguf", "--lora", "a.gguf").stdout
    expect("adapters      a.gguf, 256 numbers\n" in said and "memory " in said, said)


def small(**more):
    return Model(**{**dict(width=32, hidden=48, layers=2, heads=4, kv_heads=2, vocab=700, context=CONTEXT), **more})


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    write("m.gguf", small().gguf())
    for part in (repeats, lengths, prompts, stops, strides, ends, tokenizers, disk, folders, interrupted, windows, sliding, adapters, perplexity):
        part()

expect.finish(60)
