#!/usr/bin/env python3
"""tests/files/run.py QUERN — model files that are wrong in one way each, cut at every byte, odd but right; through `quern info`.

Every refusal: exit status 3, the whole message, at most a second of CPU time, and at most 64 MiB + 4 x the file over what the
program takes for a small good one."""
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

quern = os.path.abspath(sys.argv[1])
MIB = 1 << 20


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # what is reserved and not touched counts here


def run_here(arguments, folder):
    """Exit status, stdout, stderr, CPU seconds, peak bytes."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([quern] + arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=limited)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return child.returncode, out.read().decode(), err.read().decode(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


# A child's peak memory counts from that of the process that forks it, so a process that stays small runs the program.
if sys.argv[2:] == ["--runner"]:
    for line in sys.stdin:
        print(json.dumps(run_here(*json.loads(line))), flush=True)
    sys.exit(0)
runner = subprocess.Popen([sys.executable, os.path.abspath(__file__), quern, "--runner"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bad_gguf
import bad_safetensors
import oddities
from checking import Checks
from make import Tensor, entry, floats, gguf, pair, safetensors, struct

check, baseline = Checks(), 0


def run(arguments, folder):
    runner.stdin.write(json.dumps([arguments, folder]) + "\n")
    runner.stdin.flush()
    return json.loads(runner.stdout.readline())


def refused(folder, model, message, size):
    """`message` None: any."""
    status, out, err, seconds, peak = run(["info", "--model", model], folder)
    said = err.rstrip("\n")
    good = status == 3 and out == "" and (message is None or said == f"quern: {message}") and "\n" not in said and said.isprintable()
    check(good, f"{model}: expected 3 {message}\n  got {status} {said}")
    if seconds > 1:
        check.wrong(f"{model}: took {seconds:.2f} s")
    if peak > baseline + 64 * MIB + 4 * size:
        check.wrong(f"{model}: peak memory {peak / MIB:.0f} MiB over the baseline of {baseline / MIB:.0f}, the file has {size / MIB:.1f}")


def accepted(folder, model, expected):
    """`expected`: pieces of --json by dotted path."""
    status, out, err, _, _ = run(["info", "--model", model, "--check", "--json", "-"], folder)
    check(status == 0, f"{model}: expected to be accepted, got {status} {err}")
    if status != 0:
        return
    answer = json.loads(out)
    for path, value in expected.items():
        part = answer
        try:
            for step in path.split("/"):
                part = part[int(step)] if isinstance(part, list) else part[step]
        except (IndexError, KeyError):
            part = "nothing"
        if part != value:
            check.wrong(f"{model}: {path} is {part!r}, expected {value!r}")


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def folder_of(parent, name, files):
    os.mkdir(os.path.join(parent, name))
    for file, content in files.items():
        if content is not None:
            write(os.path.join(parent, name), file, content)


def bad_files(folder):
    for name, (content, message) in bad_gguf.CASES.items():
        write(folder, name, content)
        refused(folder, name, f"{name}: {message}", len(content))
    for name, (files, first, message) in bad_gguf.SPLITS.items():
        folder_of(folder, f"split-{name}", files)
        refused(folder, f"split-{name}/{first}", re.sub(r"m-0000", lambda m: f"split-{name}/{m.group()}", message), 0)
    for name, (content, message) in bad_safetensors.CASES.items():
        folder_of(folder, name, {"config.json": bad_safetensors.CONFIG, "model.safetensors": content})
        refused(folder, "./" + name, f"./{name}/model.safetensors: {message}", len(content))
    for name, (files, message) in bad_safetensors.FOLDERS.items():
        folder_of(folder, name, {**bad_safetensors.GOOD_SHARDS, **files})
        refused(folder, "./" + name, "./" + message, 0)


def not_files(folder):
    """Things in the file system that are no model files."""
    os.mkfifo(os.path.join(folder, "pipe.gguf"))
    refused(folder, "pipe.gguf", "pipe.gguf: is a pipe, a regular file is needed", 0)
    refused(folder, "/dev/null", "/dev/null: is a device, a regular file is needed", 0)
    refused(folder, "missing.gguf", "missing.gguf: No such file or directory", 0)
    refused(folder, "./mis\x1bsing", "./mis\\x1bsing: No such file or directory", 0)
    os.symlink("loop.gguf", os.path.join(folder, "loop.gguf"))
    refused(folder, "loop.gguf", "loop.gguf: Too many levels of symbolic links", 0)
    os.mkdir(os.path.join(folder, "folder.gguf"))
    refused(folder, "folder.gguf", "folder.gguf/config.json: No such file or directory", 0)
    folder_of(folder, "piped", {"config.json": bad_safetensors.CONFIG})
    os.mkfifo(os.path.join(folder, "piped", "model.safetensors"))
    refused(folder, "./piped", "./piped/model.safetensors: is a pipe, a regular file is needed", 0)
    write(folder, "secret.gguf", gguf())
    os.chmod(os.path.join(folder, "secret.gguf"), 0)
    if os.geteuid() != 0:
        refused(folder, "secret.gguf", "secret.gguf: Permission denied", 0)
    refused(folder, "no-such-name", None, 0)


def large_files(folder):
    """Megabytes of what would tempt a reader to allocate much or to compute long."""
    many_pairs = [pair(b"k%d" % i, "u8", 1) for i in range(60000)]
    strings = struct.pack("<IQ", 8, 2000000) + bytes(16000000)
    large = {
        "many-keys.gguf": (gguf(pairs=many_pairs, tensors=[], tail=bytes(99)), None),
        "many-strings.gguf": (gguf(pairs=[pair("k", 9, strings)], tensors=[], tail=bytes(99)), None),
        "many-arrays.gguf": (gguf(pairs=[pair("k", 9, struct.pack("<IQ", 9, 1000000) + bytes(12000000))], tensors=[], tail=bytes(99)), None),
        "many-tensors.gguf": (gguf(pairs=[], tensors=[Tensor(f"t{i}", [0]) for i in range(120000)], tail=bytes(99)), None),
        "long-key.gguf": (gguf(pairs=[pair("k" * 65535, "str", b"\x1b" * 8000000)] * 2, tensors=[]), None),
    }
    for name, (content, message) in large.items():
        write(folder, name, content)
        refused(folder, name, message, len(content))
    headers = {
        "deep-array": b'{"w":' + b"[" * 8000000,
        "deep-object": b'{"w":' + b'{"a":' * 2000000,
        "wide-array": b'{"w":[' + b"1," * 2000000 + b"1]}",
        "wide-objects": b'{"w":[' + b"{}," * 2000000 + b"1]}",
        "many-names": b"{" + b",".join(b'"%06d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(60000)) + b',"x":1}',
        "many-notes": b'{"__metadata__":{' + b",".join(b'"%06d":""' % i for i in range(300000)) + b"}}",
        "long-name": b'{"' + b"x" * 4000000 + b'":1}',
        "long-open": b'{"' + b"x" * 8000000,
        "escapes": b'{"' + b"\\u0001" * 600000 + b'":1}',
    }
    for name, content in headers.items():
        folder_of(folder, name, {"config.json": bad_safetensors.CONFIG, "model.safetensors": safetensors(content)})
        refused(folder, "./" + name, None, len(content))
    many = b"{" + b",".join(b'"%06d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(60000)) + b"}"
    folder_of(folder, "many-tensors", {"config.json": bad_safetensors.CONFIG, "model.safetensors": safetensors(many, b"x")})
    refused(folder, "./many-tensors", f"./many-tensors/model.safetensors: 1 surplus byte behind the last tensor '059999', which ends at byte {8 + len(many)}", len(many))
    folder_of(folder, "deep-config", {**bad_safetensors.GOOD_SHARDS, "config.json": b"[" * 1000000})
    refused(folder, "./deep-config", "./deep-config/config.json: byte 65: more than 64 objects and arrays inside each other", 1000000)


def cut_everywhere(folder):
    """A small good file of each kind, of every shorter length. Their last tensors end where their files end."""
    whole = gguf(pairs=[("general.architecture", "str", "x"), ("a", "arr", ("arr", [("str", ["b"])])), ("c", "bool", 1)], tensors=[Tensor("t", [8], 0, floats(8)), Tensor("q", [32], 8, bytes(34)), Tensor("u", [8], 0, floats(8))])
    write(folder, "whole.gguf", whole)
    accepted(folder, "whole.gguf", {"parameters": 48})
    for length in range(len(whole)):
        write(folder, "cut-here.gguf", whole[:length])
        refused(folder, "cut-here.gguf", None, length)
    whole = safetensors({"b": entry("F32", [2], 0, 8), "z": entry("F16", [0], 8, 8), "a": entry("BF16", [2, 1], 8, 12)}, floats(2) + bytes(4), pad=3)
    folder_of(folder, "cut-everywhere", {"config.json": bad_safetensors.CONFIG, "model.safetensors": whole})
    accepted(folder, "./cut-everywhere", {"parameters": 4})
    for length in range(len(whole)):
        write(os.path.join(folder, "cut-everywhere"), "model.safetensors", whole[:length])
        refused(folder, "./cut-everywhere", None, length)


def odd_but_right(folder):
    for name, (content, expected) in oddities.FILES.items():
        write(folder, name, content)
        accepted(folder, name, expected)
    for name, (files, expected) in oddities.FOLDERS.items():
        folder_of(folder, name, files)
        accepted(folder, "./" + name, expected)
    folder_of(folder, "good-split", bad_gguf.good_split())
    accepted(folder, "good-split/m-00001-of-00002.gguf", {"parameters": 16, "tensors/1/file": 1, "files/1/bytes": 192, "architecture": "llama"})
    folder_of(folder, "good-shards", bad_safetensors.GOOD_SHARDS)
    accepted(folder, "./good-shards", {"parameters": 2, "tensors/1/name": "b", "tensors/1/file": 1})


def not_finite(folder):
    """--check finds NaN and Inf, in plain and in block types, and says where."""
    nan, inf = float("nan"), float("inf")
    block = struct.pack("<H", 0x7c00) + bytes([0] * 7 + [1] + [0] * 24)  # scale Inf: 0 x Inf is NaN, 1 x Inf is Inf
    write(folder, "nan.gguf", gguf(pairs=[], tensors=[Tensor("good", [8], 0, floats(8)), Tensor("x\x1b", [4, 2], 0, struct.pack("<8f", 1, 2, 3, 4, 5, nan, 7, inf)), Tensor("q", [32, 2], 8, bytes(34) + block)]))
    status, out, _, _, _ = run(["info", "-m", "nan.gguf", "--check"], folder)
    wanted = "\nchecked 80 values in 3 tensors: 2 tensors have values that are not finite\n  tensor 'x\\x1b' has nan at 5, and 1 more\n  tensor 'q' has nan at 32, and 31 more\n"
    check(status == 1 and out.endswith(wanted), f"nan.gguf: {status} {out}")
    status, out, _, _, _ = run(["info", "-m", "nan.gguf", "--check", "--json", "-"], folder)
    found = json.loads(out)["check"]["not_finite"]
    check(status == 1 and found[0] == {"tensor": "x\x1b", "index": 5, "value": "nan", "count": 2}, f"nan.gguf --json: {status} {found}")


with tempfile.TemporaryDirectory() as top:
    write(top, "small.gguf", gguf())
    baseline = run(["info", "--model", "small.gguf"], top)[4]
    for number, part in enumerate((bad_files, not_files, large_files, cut_everywhere, odd_but_right, not_finite)):
        inside = os.path.join(top, str(number))
        os.mkdir(inside)
        before = check.count
        part(inside)
        print(f"{part.__name__.replace('_', ' ')}: {check.count - before} cases")

runner.stdin.close()
runner.wait()
check.finish(700)
