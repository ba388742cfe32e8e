#!/usr/bin/env python3
"""tests/tokenizer/run.py QUERN — `quern tokenize` as a user runs it, on models made here: GGUF and a folder."""
import json
import os
import sys
import tempfile

quern = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "files"))
import bad_safetensors
from checking import Checks, write
from make import added, gguf, tokenizer

check = Checks(stops=True)


def run(*arguments, status=0):
    done = check.run(quern, "tokenize", *arguments, status=status)
    return done.stderr if status else done.stdout


def expect(got, wanted):
    check(got == wanted, f"got      {got!r}\nexpected {wanted!r}")


tokens = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab"]
pairs = [("general.architecture", "str", "llama"), ("tokenizer.ggml.model", "str", "llama"), ("tokenizer.ggml.tokens", "arr", ("str", tokens)),
         ("tokenizer.ggml.scores", "arr", ("f32", [0, 0, 0, 0, 0, 0, 0, -1, -3, -2])), ("tokenizer.ggml.token_type", "arr", ("i32", [2, 3, 3, 6, 1, 1, 1, 1, 1, 1]))]

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    write("m.gguf", gguf(pairs=pairs, tensors=[]))
    expect(run("-m", "m.gguf", "ab b"), "1\t<s>\n9\t ab\n4\t \n6\tb\n")
    expect(run("-m", "m.gguf", "ab", "b"), run("-m", "m.gguf", "ab b"))
    expect(run("-m", "m.gguf", "--ids", "ab b"), "1,9,4,6\n")
    expect(run("-m", "m.gguf", "--ids", "--no-bos", "ab b"), "9,4,6\n")
    expect(run("-m", "m.gguf", "--ids", "--no-bos", "--special", "a</s>"), "7,2\n")
    expect(run("-m", "m.gguf", "--ids", ""), "1\n")
    write("text", b"a\n")
    expect(run("-m", "m.gguf", "--file", "text"), "1\t<s>\n7\t a\n3\t\\x0a\n")
    answer = json.loads(run("-m", "m.gguf", "ab b", "--json", "-"))
    expect(answer["ids"], [1, 9, 4, 6])
    expect(answer["vocabulary"], 10)
    expect(answer["tokens"][:2], [{"id": 1, "text": "<s>", "control": True}, {"id": 9, "text": " ab", "control": False}])
    expect(run("-m", "m.gguf", "--ids", "--json", "out.json", "a"), "1,7\n")
    expect(json.load(open("out.json"))["ids"], [1, 7])

    os.mkdir("folder")
    for name, content in bad_safetensors.GOOD_SHARDS.items():
        write(os.path.join("folder", name), content)
    expect(run("-m", "folder", "a", status=3), "quern: folder: has no tokenizer.json, tokenizer.model, vocab.json and merges.txt, or vocab.txt, so text cannot be encoded; ids work\n")
    level = {"type": "ByteLevel", "add_prefix_space": False}
    write("folder/tokenizer.json", tokenizer(["a", "b", "\u0120", "ab", "<s>"], ["a b"], [added(4, "<s>")], pre_tokenizer=level))
    expect(run("-m", "folder", "ab b"), "3\tab\n2\t \n1\tb\n")
    write("folder/tokenizer_config.json", b'{"bos_token": "<s>", "add_bos_token": true}')
    expect(run("-m", "folder", "--ids", "ab"), "4,3\n")
    expect(run("-m", "folder", "x", status=3), "quern: folder/tokenizer.json: no token stands for byte 0x78 of the text, and none for unknown ones\n")
    write("folder/tokenizer.json", b"{")
    assert run("-m", "folder", "x", status=3).startswith("quern: folder/tokenizer.json: byte ")
    write("none.gguf", gguf(pairs=[], tensors=[]))
    expect(run("-m", "none.gguf", "x", status=3), "quern: none.gguf: metadata 'tokenizer.ggml.model' is missing: the file has no tokenizer\n")
    expect(run("-m", "m.gguf", "--file", "absent", status=3), "quern: absent: No such file or directory\n")

check.finish(30)
