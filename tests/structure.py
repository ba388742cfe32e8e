#!/usr/bin/env python3
"""tests/structure.py ROOT — layers, LLVM's headers, manners of libraries, file sizes, the top level: what is promised of the tree."""
import os
import re
import subprocess
import sys

# Who may include whom: a room sees itself and the rooms listed.
ROOMS = {
    "compiler/base": [],
    "compiler/op": ["compiler/base"],
    "compiler/reference": ["compiler/op", "compiler/base"],
    "compiler/target": ["compiler/base"],
    "compiler/schedule": ["compiler/target", "compiler/op", "compiler/base"],
    "compiler/loops/ir": ["compiler/target", "compiler/op", "compiler/base"],
    "compiler/loops/build": ["compiler/loops/ir", "compiler/schedule", "compiler/target", "compiler/op", "compiler/base"],
    "compiler/loops/maths": ["compiler/loops/build", "compiler/loops/ir", "compiler/op", "compiler/base"],
    "compiler/loops/ops": ["compiler/loops/build", "compiler/loops/ir", "compiler/schedule", "compiler/target", "compiler/op", "compiler/base"],
    "compiler/loops": ["compiler/schedule", "compiler/target", "compiler/op", "compiler/base"],
    "compiler/codegen": ["compiler/loops/ir", "compiler/target", "compiler/base"],
    "compiler/store": ["compiler/schedule", "compiler/target", "compiler/op", "compiler/base"],
    "compiler/jit": ["compiler/codegen", "compiler/store", "compiler/loops", "compiler/schedule", "compiler/target", "compiler/op", "compiler/base"],
    "tuner/check": ["compiler"],
    "tuner/measure": ["compiler"],
    "tuner/records": ["compiler"],
    "tuner/search": ["tuner/measure", "compiler"],
    "tuner/worker": ["tuner/check", "tuner/measure", "compiler"],
    "tuner": ["compiler"],
    "runtime": ["compiler/store", "compiler/schedule", "compiler/target", "compiler/reference", "compiler/op", "compiler/base"],
    "models/files": ["compiler/op", "compiler/base"],
    "models/tokenizer": ["models/files", "compiler/base"],
    "models/chat": ["models/tokenizer", "models/files", "compiler/op", "compiler/base"],
    "models": ["models/files", "models/tokenizer", "models/chat", "runtime", "compiler/store", "compiler/schedule", "compiler/target", "compiler/reference", "compiler/op", "compiler/base"],
    "tools/peers": [],
    "tools/report": ["compiler/op", "compiler/base"],
    "tools/recorded": ["tools/report", "models", "runtime", "tuner", "compiler"],
    "tools/quern/cli": ["tools/recorded", "models", "runtime", "tuner", "compiler"],
    "tools/quern/bench": ["tools/quern/cli", "tools/recorded", "tools/report", "tools/peers", "models", "runtime", "tuner", "compiler"],
    "tools/quern/commands": ["tools/quern/bench", "tools/quern/cli", "tools/recorded", "tools/report", "models", "runtime", "tuner", "compiler"],
    "tools/api": ["models", "runtime", "compiler"],
    "tools": ["models", "runtime", "tuner", "compiler"],
    "tests": ["tools", "models", "runtime", "tuner", "compiler"],
}
# Code that others link: it returns errors and hands lines to a sink (compiler/base/Log.h). Only the programs in tools/ speak and end.
LIBRARIES = ("compiler/", "tuner/", "runtime/", "models/", "tools/report/", "tools/recorded/", "tools/api/")
PRINTS = re.compile(r"\b(stdout|stderr|STDOUT_FILENO|STDERR_FILENO|v?f?printf|f?puts|putchar|perror|psignal)\b|\bstd::(cout|cerr|clog)\b"
                    r"|\bfmt::print\w*|\bllvm::(outs|errs|dbgs)\b|::write\([012],")
ENDS = re.compile(r"\b(exit|_exit|_Exit|quick_exit|abort|terminate|raise|kill)\s*\(")
BROKEN_INVARIANT = "compiler/base/Check.cpp"
TOP = {"meson.build", "compiler", "runtime", "tuner", "models", "configs", "tests", "tools", "README.md", "LICENSE"}
HARD_LINES = 450
LONG_LINES = 400
LINE_CHARACTERS = 140  # as .clang-format has it


def room_of(path):
    best = ""
    for room in ROOMS:
        if (path == room or path.startswith(room + "/")) and len(room) > len(best):
            best = room
    return best


def includes(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = re.match(r'\s*#include\s+["<]([^">]+)[">]', line)
            if match:
                yield number, match.group(1)


def check_includes(root, path, wrong):
    room = room_of(path)
    allowed = [room] + ROOMS.get(room, [])
    for number, name in includes(os.path.join(root, path)):
        if name.startswith("llvm") and not (path.endswith(".cpp") and room in ("compiler/codegen", "compiler/jit")):
            wrong.append(f"{path}:{number}: LLVM outside the .cpp files of codegen and jit")
        target = room_of(name)
        if target and not any(target == a or target.startswith(a + "/") for a in allowed):
            wrong.append(f"{path}:{number}: {room} must not include {name}")


def check_manners(path, lines, wrong):
    """A library neither prints nor ends the program; a child of its own fork ends by _exit, or is ended, alone or with its group."""
    if not path.startswith(LIBRARIES) or path == BROKEN_INVARIANT:
        return
    forks = any("fork(" in line for line in lines)
    for number, line in enumerate(lines, 1):
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]
        if PRINTS.search(code):
            wrong.append(f"{path}:{number}: a library prints; compiler/base/Log.h takes what is to be said")
        ends = ENDS.search(code)
        if ends and not (forks and (ends.group(1) == "_exit" or re.search(r"\bkill\(-?(child|pid_), ", code))):
            wrong.append(f"{path}:{number}: a library ends the program; an error is a value, a broken invariant QUERN_CHECK")


def count_names(root, files, wrong):
    """How many files know a thing by name: what adding one costs (compiler/README.md)."""
    texts = {}
    for path in files:
        if path.endswith((".h", ".cpp", ".build", ".in")) and not path.startswith("tests/"):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                texts[path] = file.read()
    product = {path: text for path, text in texts.items() if path.endswith((".h", ".cpp")) and path.startswith(("compiler/", "tuner/", "runtime/"))}
    models = {path: text for path, text in texts.items() if path.endswith((".h", ".cpp")) and path.startswith("models/") and not path.startswith(("models/tokenizer/", "models/chat/"))}

    def at_most(kind, name, pattern, most, where):
        found = sorted(path for path, text in where.items() if re.search(pattern, text))
        if not 1 <= len(found) <= most:
            wrong.append(f"{kind} {name} is named by {len(found)} files, {most} are enough: {' '.join(found)}")
        return 1

    counted = 0
    # Those with a schedule family or a spelling of their own have its files too.
    for name in re.findall(r"(?:First|Other)\((\w+)\)", texts["compiler/op/OpDesc.h"]):
        if name not in ("MatmulOp", "MapOp", "AttentionOp"):
            counted += at_most("op", name, rf"\b{name}\b", 5, product)
    # Decay is softmax's and attention's, the reference is told of it; the gelus are forms of one spelling. They may be parts of each other.
    shared = {"Decay": 3, "Exp": 2, "GeluErf": 2, "GeluTanh": 2, "GeluSigmoid": 2}
    for name in re.search(r"^activations = \[(.*)\]", texts["compiler/meson.build"], re.M).group(1).replace("'", "").split(", "):
        pattern = rf"\b(LoopOp|ScalarFn|maths)::{name}\b|activations/{name}\.h"
        outside = {path: text for path, text in product.items() if not path.startswith("compiler/op/activations/") or path.endswith(f"/{name}.h")}
        counted += at_most("activation", name, pattern, shared.get(name, 1), outside)
    rooms = {path: text for path, text in product.items() if path.startswith(("compiler/loops/ir/", "compiler/codegen/")) and not path.endswith("ir/Value.cpp")}
    indices = ("Add", "Sub", "Mul", "Div", "Rem", "Max", "Min")  # the verifier works them out as well
    for name in re.findall(r"^  X\((\w+), \"", texts["compiler/loops/ir/LoopNodeList.h"], re.M):
        counted += at_most("node", name, rf"\bLoopOp::{name}\b|X\({name}, ", 4 if name in indices else 3, rooms)
    for name in re.search(r"^architectures = \[(.*)\]", texts["models/meson.build"], re.M).group(1).replace("'", "").split(", "):
        counted += at_most("architecture", name, rf"\bmake{name}\b|arch/{name}\.|\"{name.lower()}\"", 2 if name == "Gpt2" else 1,
                           models)
    cpus = [os.path.basename(path)[:-5] for path in files if path.startswith("configs/cpu/") and path.endswith(".toml")]
    for name in cpus:
        found = [path for path, text in product.items() if f'"{name}"' in text and path != "compiler/target/Target.cpp"]  # levels, and LLVM's models of them
        counted += 1
        if found and not name.startswith("x86-64"):
            wrong.append(f"CPU {name} is named by {' '.join(found)}: its file in configs/cpu is enough")
    return counted


def main():
    root = sys.argv[1]
    listed = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True)
    files = [f for f in listed.stdout.split("\n") if f and os.path.exists(os.path.join(root, f))]
    wrong, long_files, sources = [], [], 0
    for top in {f.split("/")[0] for f in files}:
        if top not in TOP and not top.startswith("."):
            wrong.append(f"{top}: not a name of the top level")
    for path in files:
        if not path.endswith((".h", ".cpp", ".py")):
            continue
        sources += 1
        with open(os.path.join(root, path), encoding="utf-8") as file:
            lines = file.read().split("\n")
        if len(lines) > HARD_LINES:
            wrong.append(f"{path}: {len(lines)} lines, at most {HARD_LINES}")
        elif len(lines) > LONG_LINES:
            long_files.append(f"{path}: {len(lines)} lines wants a reason")
        if path.endswith((".h", ".cpp")):
            check_includes(root, path, wrong)
            check_manners(path, lines, wrong)
            wrong += [f"{path}:{i}: {len(line)} characters, at most {LINE_CHARACTERS}" for i, line in enumerate(lines, 1) if len(line) > LINE_CHARACTERS]
            if not lines[0].startswith(("// " + path, "/* " + path)):
                wrong.append(f"{path}:1: opens with its own path and what it is")
    counted = count_names(root, files, wrong)
    print("\n".join(long_files + wrong))
    print(f"{sources} sources, {counted} things counted, {len(wrong)} wrong")
    sys.exit(1 if wrong or sources < 50 or counted < 60 else 0)


main()
