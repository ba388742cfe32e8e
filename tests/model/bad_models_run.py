#!/usr/bin/env python3
"""tests/model/bad_models_run.py QUERN — models whose parts do not fit each other: refused whole by `quern generate`, looked at by
`quern info`, each in a second."""
import os
import resource
import sys
import tempfile

quern = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bad_models
from checking import Checks, ran, write
from models import Model, gpt2, hf_folder

check = Checks()


def run(*arguments):
    """Exit status, stdout, stderr, CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = ran(quern, *arguments, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.returncode, done.stdout, done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def generate(model, *more):
    return run("generate", "--model", model, "--print-ids", "-n", "1", "--seed", "1", "--threads", "1", "--quiet", "--cache", "cache", *(more or ("--ids", "1")))


def refused(model, message, *more):
    status, out, err, seconds = generate(model, *more)
    check(status == 3 and out.strip() == "" and err == f"quern: {message}\n", f"{model}: expected 3 quern: {message}\n  got {status} {err.rstrip()} {out}")
    if seconds > 1:
        check.wrong(f"{model}: took {seconds:.2f} s")
    looked_at(model)


def looked_at(model):
    """`quern info` says what the files hold or why they are none; it neither ends badly nor takes long."""
    status, out, err, seconds = run("info", "--model", model)
    if not (status == 0 and out != "" or status == 3 and err.startswith(f"quern: {model}")) or seconds > 1:
        check.wrong(f"info {model}: {status} {err} in {seconds:.2f} s")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    write("good.gguf", Model().gguf())
    status, out, err, _ = generate("good.gguf")  # and the kernels are compiled now
    assert status == 0 and out.strip().isdigit(), (status, out, err)
    write("gpt2.gguf", gpt2().gguf())
    status, out, err, _ = generate("gpt2.gguf")
    assert status == 0 and out.strip().isdigit(), (status, out, err)
    for name, (model, message) in bad_models.CASES.items():
        write(name + ".gguf", model.gguf())
        refused(name + ".gguf", f"{name}.gguf: {message}")
    for name, (model, arguments, message) in bad_models.RUNS.items():
        write(name + ".gguf", model.gguf())
        refused(name + ".gguf", message.replace("FILE", name + ".gguf"), *arguments)
    os.mkdir("hf")
    os.chdir("hf")
    hf_folder("good", Model())  # without a tokenizer: ids work
    status, out, err, _ = generate("./good")
    assert status == 0 and out.strip().isdigit(), (status, out, err)
    for name, (config, rename, message) in bad_models.FOLDERS.items():
        hf_folder(name, Model(), config, rename)
        refused("./" + name, f"./{name}{message}")

check.finish(180)
