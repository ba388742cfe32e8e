#!/usr/bin/env python3
"""tests/cli/quantize.py QUERN MAKER — a model in another type: what is written is read again, says what it is, gives nearly the same logits, and
what stays is copied byte by byte; what cannot be is said, and nothing is left behind."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, read_npy

quern, maker = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
expect = Checks(stops=True)


def run(*arguments, status=0):
    return expect.run(quern, *arguments, status=status)


def logits(model):
    run("logits", "--model", model, "--ids", "1,2,3,4,5", "-o", "l.npy", "--compute", "exact", "--cache", "none", "--quiet")
    return read_npy("l.npy")[1]


def distance(a, b):
    return (sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b)) ** 0.5


def all_types():
    exact = logits("tiny.gguf")
    for kind, most in (("f16", 0.002), ("bf16", 0.02), ("q8_0", 0.02), ("q6_K", 0.1), ("q4_0", 0.5), ("q4_K", 0.5), ("q4_K_M", 0.5), ("q4_1", 0.5), ("q5_0", 0.2), ("q5_1", 0.2), ("q2_K", 1.5), ("q3_K", 0.8), ("q5_K", 0.2), ("iq4_nl", 0.5), ("iq4_xs", 0.5), ("mxfp4", 0.6)):
        report = json.loads(run("quantize", "tiny.gguf", "-o", f"{kind}.gguf", "--type", kind, "--json", "-").stdout)
        by_name = {tensor["name"]: tensor for tensor in report["tensors"]}
        expect(by_name["blk.0.attn_norm.weight"]["to"] == "f32", "norms stay")
        expect(by_name["blk.0.attn_q.weight"]["to"] == ("q4_K" if kind == "q4_K_M" else kind), f"{kind}: {by_name['blk.0.attn_q.weight']}")
        expect(by_name["output.weight"]["to"] == ("q6_K" if kind == "q4_K_M" else kind), f"{kind}: the head")
        for name in ("attn_v", "ffn_down"):
            expect(by_name[f"blk.1.{name}.weight"]["to"] == ("q6_K" if kind == "q4_K_M" else kind), f"{kind}: {name}")
        errors = [tensor["error"] for tensor in report["tensors"] if tensor["to"] != "f32"]
        expect(all(0 < error < most for error in errors), f"{kind}: errors {min(errors)} to {max(errors)}")
        far = distance(logits(f"{kind}.gguf"), exact)
        expect(0 < far < most, f"{kind}: logits are {far} off")
        info = json.loads(run("info", "--model", f"{kind}.gguf", "--json", "-").stdout)
        expect(info == info and os.path.getsize(f"{kind}.gguf") < os.path.getsize("tiny.gguf"), f"{kind}: smaller")
        # As the maker writes it from the same numbers.
        subprocess.run([maker, "tiny", "--type", kind, "-o", "made.gguf"], check=True, capture_output=True)
        expect(logits(f"{kind}.gguf") == logits("made.gguf"), f"{kind}: the same bits as one that was made so")


def again():
    """To the type that it has: the tensors are copied as they are."""
    run("quantize", "q8_0.gguf", "-o", "same.gguf", "--type", "q8_0")
    expect(logits("same.gguf") == logits("q8_0.gguf"), "the same bits")
    said = run("quantize", "q4_0.gguf", "-o", "wider.gguf", "--type", "f32").stdout
    expect("q4_0" in said and "tensors converted" in said, said)
    expect(distance(logits("wider.gguf"), logits("q4_0.gguf")) == 0, "values as they are")


def refused():
    before = sorted(os.listdir("."))
    for arguments, status, why in ((("tiny.gguf", "-o", "x.gguf"), 2, "--type is missing"), (("tiny.gguf", "--type", "q8_0"), 2, "-o OUT.gguf is missing"),
                                   (("tiny.gguf", "-o", "x.gguf", "--type", "q3"), 2, "--type q3 is none of"), (("-o", "x.gguf", "--type", "q8_0"), 2, "one MODEL.gguf is needed"),
                                   (("nowhere.gguf", "-o", "x.gguf", "--type", "q8_0"), 3, "nowhere.gguf"), (("tiny.gguf", "-o", "tiny.gguf", "--type", "q8_0"), 2, "is the model itself"),
                                   (("tiny.gguf", "-o", "no/x.gguf", "--type", "q8_0"), 4, "no/x.gguf")):
        said = run("quantize", *arguments, status=status).stderr
        expect(why in said, f"{arguments}: {said}")
    expect(sorted(os.listdir(".")) == before, "nothing is left behind")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    subprocess.run([maker, "tiny", "-o", "tiny.gguf"], check=True, capture_output=True)
    all_types()
    again()
    refused()
expect.finish(100)
