#!/usr/bin/env python3
"""tests/cli/quern_run.py QUERN MAKER QUERN-RUN — a model runs on its bundle without a compiler, with the bits that quern has on the CPU whose
kernels are taken: the best that the bundle has, or the one that --cpu says; what a bundle lacks is said by name, and so is what a CPU lacks."""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(1, os.path.join(sys.path[0], "model"))
from checking import Checks, caching, npy, write
from models import Model, gpt2, hf_folder

quern, maker, alone = (os.path.abspath(path) for path in sys.argv[1:4])
check = Checks()


def run(*words, status=0):
    return check.run(*words, status=status, env=caching("cache"))


def logits(program, kind, *flags):
    run(program, "logits", "-m", f"{kind}.gguf", "--ids", "1,2,3,40,5", "-o", "l.npy", "--quiet", *flags)
    with open("l.npy", "rb") as file:
        return file.read()


def bits(cpus):
    for kind in ("q4_K_M", "bf16", "f32"):
        check.run(maker, "tiny", "--type", kind, "-o", f"{kind}.gguf")
        run(quern, "emit", "-m", f"{kind}.gguf", "-o", kind, "--cpu", ",".join(["host", *cpus]))
        run(quern, "emit", "-m", f"{kind}.gguf", "-o", "again", "--cpu", ",".join(["host", *cpus]))
        for name in os.listdir(kind):
            with open(f"{kind}/{name}", "rb") as one, open(f"again/{name}", "rb") as two:
                check(one.read() == two.read(), f"{kind}/{name}: another emit has other bytes")
        for cpu in ([], *(["--cpu", name] for name in cpus)):
            own = logits(quern, kind, *cpu)
            check(logits(alone, kind, "--bundle", kind, *cpu) == own, f"{kind} {cpu}: quern-run has other bits than quern")
            check(logits(quern, kind, "--bundle", kind, *cpu) == own, f"{kind} {cpu}: quern has other bits with the bundle")
        if cpus:
            check(logits(quern, kind) != logits(quern, kind, "--cpu", cpus[-1]) or kind == "f32", f"{kind}: the CPUs have the same bits")
    said = [run(program, "generate", "-m", "q4_K_M.gguf", *bundle, "-p", "a word", "-n", "5", "--seed", "3").stdout for program, bundle in ((quern, []), (alone, ["--bundle", "q4_K_M"]))]
    check(said[0] == said[1] and said[0].strip(), f"generate: {said}")
    run(alone, "perplexity", "-m", "q4_K_M.gguf", "--bundle", "q4_K_M", "-f", "cache.txt")
    run(alone, "tokenize", "-m", "q4_K_M.gguf", "a word")
    rows = json.loads(run(alone, "bench", "-m", "q4_K_M.gguf", "--bundle", "q4_K_M", "--prefill", "9", "--decode", "3", "--json", "-").stdout)["rows"]
    check([row["id"] for row in rows] == ["pp9", "tg3"] and all(row["tokens_per_s"] > 0 and row["schedule_from"] == "bundle" and row["allocated_bytes"] == 0 for row in rows), rows)


def one_op():
    """An op of a bundle on NumPy files; what the bundle has no kernel of is named."""
    write("x.npy", npy([i * 0.01 for i in range(128)], (4, 32)))
    run(quern, "emit", "softmax", "x=4x32", "-o", "op")
    words = ["eval", "softmax", "x.npy", "--quiet", "-o"]
    run(alone, *words, "alone.npy", "--bundle", "op")
    run(quern, *words, "own.npy")
    with open("alone.npy", "rb") as one, open("own.npy", "rb") as two:
        check(one.read() == two.read(), "eval: quern-run has other bits than quern")
    said = run(alone, "eval", "gelu", "x.npy", "-o", "y.npy", "--bundle", "op", status=3).stderr
    check("has no kernel of gelu" in said and "it has" not in said, said)
    run(quern, "emit", "softmax", "x=*x32", "-o", "open")
    said = run(alone, *words, "y.npy", "--bundle", "open", status=3).stderr
    check("has no kernel of softmax x=4x32 for host; it has softmax x=*x32;" in said, said)
    run(alone, "eval", "softmax", "x=*x32", "x.npy", "--quiet", "-o", "y.npy", "--bundle", "open")
    said = run(alone, *words, "y.npy", status=2).stderr
    check("--bundle DIR is missing" in said, said)
    # What a model would take is said by the program that can describe kernels before they are there.
    infos = [run(program, "info", "-m", "q4_K_M.gguf").stdout for program in (alone, quern)]
    memory = [line for line in infos[1].splitlines() if line.startswith("memory ")]
    check(len(memory) == 1 and infos[0] == infos[1].replace(memory[0] + "\n", ""), "info: the programs differ")


def tuned():
    """What was tuned goes into the bundle: the kernels of every size are those that quern runs."""
    with open("q4_K_M/manifest.toml", encoding="utf-8") as file:
        op, schedule = re.search(r'op = "(matmul m=[^"\n]*n=256 k=256[^"\n]*)"\nschedule = "([^"]*)"', file.read()).groups()
    pin = "mr=2" if " mr=2 " not in f" {schedule} " else "mr=1"
    run(quern, "tune", *op.split(" "), "--pin", pin, "--quiet")
    run(quern, "tune", "-m", "q4_K_M.gguf", "--budget", "6s", "--quiet")
    run(quern, "emit", "-m", "q4_K_M.gguf", "-o", "tuned")
    words = ["logits", "-m", "q4_K_M.gguf", "--ids", "1,2,3,40,5", "-o", "l.npy", "--quiet", "--log", "dispatch"]
    chosen = [set(re.findall(r": (\S+ .* \| .*) from (?:cache|compiled|bundle)", run(program, *words, *bundle).stderr))
              for program, bundle in ((quern, []), (alone, ["--bundle", "tuned"]))]
    check(chosen[0] == chosen[1] and len(chosen[0]) > 8, f"quern runs {sorted(chosen[0] - chosen[1])}, quern-run {sorted(chosen[1] - chosen[0])}")
    check(any(each.startswith(op + " | ") and f" {pin} " in each for each in chosen[1]), f"{op}, pinned to {pin}: {sorted(chosen[1])}")
    check(logits(alone, "q4_K_M", "--bundle", "tuned") == logits(quern, "q4_K_M"), "tuned: quern-run has other bits than quern")


def lacking():
    """What is missing is named."""
    words = ["generate", "-m", "q4_K_M.gguf", "-p", "a", "-n", "1"]
    said = run(alone, *words, status=2).stderr
    check("--bundle DIR is missing" in said, said)
    said = run(alone, *words, "--bundle", "q4_K_M", "--compute", "exact", status=3).stderr
    check("has no kernel of matmul" in said and "its model is one of --compute" in said, said)
    said = run(alone, *words, "--bundle", "q4_K_M", "--kv", "bf16", status=3).stderr
    check("kv_type=bf16" in said or "to=bf16" in said, said)
    run(quern, "emit", "-m", "q4_K_M.gguf", "-o", "arm", "--cpu", "neoverse-v1")
    said = run(alone, *words, "--bundle", "arm", status=4).stderr
    check("arm: has no kernels that this CPU (host) runs" in said and "neoverse-v1 needs aarch64" in said, said)
    said = run(quern, *words, "--bundle", "arm", status=4).stderr
    check("neoverse-v1 needs aarch64" in said, said)
    shutil.copytree("q4_K_M", "damaged")
    victim = next(name for name in sorted(os.listdir("damaged")) if name.endswith(".o"))
    for name in sorted(os.listdir("damaged")):
        if name.endswith(".o"):
            with open(f"damaged/{name}", "r+b") as file:
                file.seek(100)
                byte = file.read(1)
                file.seek(100)
                file.write(bytes([byte[0] ^ 1]))
    said = run(alone, *words, "--bundle", "damaged", status=3).stderr
    check("is not the object that the manifest names" in said and "damaged/" in said, f"{victim}: {said}")
    with open("q4_K_M/manifest.toml", encoding="utf-8") as file:
        manifest = file.read()
    for before, after, message in (("format = 4", "format = 3", "a bundle of format 3; this program reads 4: emit it again"), ('cpus = ["host"', 'cpus = ["hos"', "'hos' is no cpu of the bundle")):
        check(before in manifest, before)
        with open("damaged/manifest.toml", "w", encoding="utf-8") as file:
            file.write(manifest.replace(before, after, 1))
        said = run(alone, *words, "--bundle", "damaged", status=3).stderr
        check(message in said and "damaged/manifest.toml:" in said, said)
    os.chmod("q4_K_M", 0o777)
    said = run(alone, *words, "--bundle", "q4_K_M", status=3).stderr
    check("q4_K_M" in said and "write" in said, said)
    os.chmod("q4_K_M", 0o700)


def with_weights(cpus):
    """The model is in the bundle: nothing else is read, nothing is packed, and the bits are those of the model's own files."""
    for kind in ("q4_K_M", "bf16", "q8_0"):
        check.run(maker, "tiny", "--type", kind, "-o", f"{kind}.gguf")
        for out in ("own", "again")[:2 if kind == "q8_0" else 1]:
            shutil.rmtree(out, ignore_errors=True)
            run(quern, "emit", "-m", f"{kind}.gguf", "-o", out, "--weights", "--cpu", ",".join(["host", *cpus]))
        files = [os.path.relpath(os.path.join(at, name), "own") for at, _, names in os.walk("own") for name in names]
        check(any(name.endswith(".qw") for name in files) and any(re.fullmatch(r"model-[0-9a-f]{16}/model.gguf", name) for name in files), files)
        for name in files if kind == "q8_0" else []:
            with open(f"own/{name}", "rb") as one, open(f"again/{name}", "rb") as two:
                check(one.read() == two.read(), f"{name} of {kind}: another emit has other bytes")
        plain = {cpu: logits(quern, kind, *(["--cpu", cpu] if cpu else [])) for cpu in ("", *cpus)}
        os.rename(f"{kind}.gguf", "away.gguf")
        for cpu, bits_of in plain.items():
            for program in (quern, alone):
                for threads in ("1", "3") if program == alone else ("2",):
                    run(program, "logits", "--bundle", "own", "--ids", "1,2,3,40,5", "-o", "l.npy", "--threads", threads, *(["--cpu", cpu] if cpu else []))
                    with open("l.npy", "rb") as file:
                        check(file.read() == bits_of, f"{kind} {cpu}: {os.path.basename(program)} has other bits with packed weights")
        os.rename("away.gguf", f"{kind}.gguf")
    said = run(alone, "generate", "--bundle", "own", "-p", "a word", "-n", "5", "--seed", "3").stdout
    check(said == run(quern, "generate", "-m", "q8_0.gguf", "-p", "a word", "-n", "5", "--seed", "3").stdout and said.strip(), said)
    said = run(alone, "tokenize", "--bundle", "own", "a word", "--ids").stdout
    check(said == run(alone, "tokenize", "-m", "q8_0.gguf", "a word", "--ids").stdout and said.strip(), f"tokenize: {said}")
    check("leave nothing to time" in run(alone, "bench", "--bundle", "own", "--prefill", "0", "--decode", "0", status=2).stderr, "bench of nothing")
    check("--bundle DIR is missing" in run(alone, "generate", "-p", "a", status=2).stderr, "generate without anything")
    for flag in (["--compute", "exact"], ["--ignore-key", "x"]):
        check(f"{flag[0]} goes with --model" in run(alone, "generate", "--bundle", "own", "-p", "a", *flag, status=2).stderr, flag)
    said = run(alone, "generate", "--bundle", "q4_K_M", "-p", "a", status=2).stderr
    check("generate: --model M is missing" in said and "the bundle has none of its own (quern emit --weights)" in said, said)
    check("the bundle has none of its own" in run(alone, "tokenize", "--bundle", "q4_K_M", "a", status=2).stderr, "tokenize without a model")
    run(quern, "emit", "-m", "smallmind-small", "-o", "sizes", "--weights", status=3)
    run(quern, "emit", "add", "a=4", "b=4", "-o", "sizes", "--weights", status=2)


def of_other_files():
    """A folder of safetensors, GPT-2's biases and stored [in,out], a head that is the table too, types that are converted."""
    hf_folder("folder", Model(width=32, hidden=64, layers=2, vocab=320))
    gguf_of("gpt2.gguf", gpt2(width=32, layers=2, vocab=320))
    check.run(maker, "tiny", "--type", "q4_0", "--tied", "-o", "tied.gguf")
    for model in ("folder", "gpt2.gguf", "tied.gguf"):
        out = f"{model}-bundle"
        run(quern, "emit", "-m", model, "-o", out, "--weights", "--kv", "f16")
        run(quern, "logits", "-m", model, "--ids", "1,2,3,40,5", "-o", "l.npy", "--kv", "f16")
        with open("l.npy", "rb") as file:
            plain = file.read()
        run(alone, "logits", "--bundle", out, "--ids", "1,2,3,40,5", "-o", "l.npy")
        with open("l.npy", "rb") as file:
            check(file.read() == plain, f"{model}: other bits with packed weights")


def gguf_of(path, model):
    with open(path, "wb") as file:
        file.write(model.gguf())


def damaged_weights():
    """Every part of the file is checked: the head by what it must say, the weights by their sums."""
    name = next(name for name in os.listdir("own") if name.endswith(".qw"))
    with open(f"own/{name}", "rb") as file:
        whole = file.read()
    words = [alone, "logits", "--bundle", "own", "--ids", "1,2", "-o", "l.npy", "--cpu", "host"]
    run(*words)
    with open("own/manifest.toml", encoding="utf-8") as file:
        used = re.search(r'name = "host"(?:\n.+)*\nweights = "(.*)"', file.read()).group(1)
    with open(f"own/{used}", "rb") as file:
        whole = file.read()
    head = whole.index(b"\nend\n")
    lines = whole[:head].split(b"\n")
    data = sorted(int(line.split()[0]) for line in lines if line[:16].isdigit() and len(line.split()[0]) == 16)

    def refused(changed, message):
        with open(f"own/{used}", "wb") as file:
            file.write(changed)
        said = run(*words, status=3).stderr
        check(message in said and used in said, f"{message}: {said}")

    for at in (data[0], data[0] + 1001, data[-1], data[1] + 63):
        refused(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:], "is damaged: its sum differs")
    refused(whole[:data[-1]], "a weight that does not lie in the")
    refused(whole[:40], "the file ends here")
    refused(b"quern-weights 2" + whole[15:], "line 1: 'quern-weights 1' is needed")
    other = whole.replace(b" panel=", b" panel=1", 1)
    refused(other, "is not what the bundle was emitted with: its sum differs")
    with open("own/manifest.toml", encoding="utf-8") as file:
        manifest = file.read()
    for before, after in ((line_sum(whole[:head + 5]), line_sum(other[:other.index(b"\nend\n") + 5])),):
        check(f'weights_sum = "{before}"' in manifest, f"the head's sum is {before}")
        with open("own/manifest.toml", "w", encoding="utf-8") as file:
            file.write(manifest.replace(before + '"\n', after + '"\n'))
    refused(other, "is needed; quern emit --weights writes it anew")
    with open("own/manifest.toml", "w", encoding="utf-8") as file:
        file.write(manifest)
    refused(whole.replace(b"\nweights ", b"\nweights 9", 1), "line")
    refused(whole.replace(b"\ntensors ", b"\ntensors -", 1), "'tensors' and how many are needed")
    refused(b"x", "'quern-weights 1' is needed")
    draw = random.Random(5)
    for _ in range(40):  # a byte of the head: refused, or it changes nothing (a tensor's name that nobody needs); never a crash
        at = draw.randrange(head)
        with open(f"own/{used}", "wb") as file:
            file.write(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1:])
        done = subprocess.run([*words], capture_output=True, env=caching("cache"), check=False)
        check(done.returncode == 3, f"byte {at} of the head: status {done.returncode}: {done.stderr}")
    with open(f"own/{used}", "wb") as file:
        file.write(whole)
    run(*words)
    os.remove(f"own/{used}")
    check(used in run(*words, status=3).stderr, "weights that are gone")


def damaged_description():
    """What is not packed is checked too: a byte of a gain, of the vocabulary, of a folder's config, and files of another model."""
    for model, out, names in (("q8_0.gguf", "own", ["model.gguf"]), ("folder", "folder-bundle", ["config.json", "model.safetensors"])):
        shutil.rmtree(out, ignore_errors=True)
        run(quern, "emit", "-m", model, "-o", out, "--weights")
        words = [alone, "logits", "--bundle", out, "--ids", "1,2", "-o", "l.npy"]
        run(*words)
        at = next(name for name in os.listdir(out) if name.startswith("model-"))
        draw = random.Random(9)
        for name in names:
            with open(f"{out}/{at}/{name}", "rb") as file:
                whole = file.read()
            for place in [len(whole) - 3, *(draw.randrange(len(whole)) for _ in range(20))]:
                with open(f"{out}/{at}/{name}", "wb") as file:
                    file.write(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
                said = run(*words, status=3).stderr
                check(at in said, f"{name}, byte {place}: {said}")
            with open(f"{out}/{at}/{name}", "wb") as file:
                file.write(whole)
        run(*words)


def in_anothers_place():
    """A bundle in an earlier one's place leaves nothing of it."""
    for flags, kept in ((["-m", "bf16.gguf", "--weights"], 1), (["-m", "bf16.gguf"], 0), (["-m", "q8_0.gguf", "--weights"], 1), (["-m", "folder", "--weights"], 1), (["add", "a=4", "b=4"], 0)):
        run(quern, "emit", *flags, "-o", "place")
        names = os.listdir("place")
        check([sum(name.startswith(start) for name in names) for start in ("model-", "weights-")] == [kept, kept], f"{flags}: {names}")


def line_sum(data):
    """As compiler/base/LineSum.h has it."""
    odd, mask, count = 0x9e3779b97f4a7c15, 2**64 - 1, len(data)
    chains = list(range(1, 9))
    data += bytes(-count % 64)
    for at in range(0, len(data), 64):
        chains = [(chain ^ int.from_bytes(data[at + 8 * i:at + 8 * i + 8], "little")) * odd & mask for i, chain in enumerate(chains)]
    total = count
    for chain in chains:
        total = ((total ^ chain) * odd + (total >> 29)) & mask
    return f"{total:016x}"


def alone_it_is():
    """No compiler, and small."""
    needed = subprocess.run(["ldd", alone], capture_output=True, text=True, check=True).stdout
    check("LLVM" not in needed and "codegen" not in needed, needed)
    shutil.copy(alone, "stripped")
    subprocess.run(["strip", "stripped"], check=True)
    check(os.path.getsize("stripped") <= 4 << 20, f"{os.path.getsize('stripped')} bytes stripped")
    said = run(alone, "--help").stdout
    check(said.startswith("quern-run COMMAND") and "tune" not in said, said)
    said = run(alone, "generate", "--help").stdout
    check(said.startswith("quern-run generate") and "  quern-run generate --bundle DIR -m model.gguf" in said and "--cache" not in said, said)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("cache.txt", "w", encoding="utf-8") as file:
        file.write("a word and another word")
    here = set(run(quern, "cpu").stdout.split())
    bits(["haswell", "x86-64"] if {"avx2", "fma"} <= here and "x86-64-v3" not in here else ["x86-64"] if "sse2" in here else [])
    lacking()
    one_op()
    tuned()
    with_weights(["haswell", "x86-64"] if {"avx2", "fma"} <= here else [])
    of_other_files()
    damaged_weights()
    damaged_description()
    in_anothers_place()
    alone_it_is()
    os.chdir("/")
check.finish(300)
