#!/usr/bin/env python3
"""tests/fingerprint/run.py ROOT — what the generator's fingerprint is of: tokens of what can change an object, and nothing else."""
import os
import shutil
import subprocess
import sys
import tempfile

root, failed = sys.argv[1], []


def fingerprint(tree):
    header = os.path.join(tree, "compiler/schedule/QuernArgs.h")
    done = subprocess.run([sys.executable, os.path.join(root, "tools/fingerprint"), tree, "19", header], capture_output=True, text=True, check=True)
    return done.stdout.split('kGeneratorFingerprint = "')[1].split('"')[0]


with tempfile.TemporaryDirectory() as folder:
    tree = os.path.join(folder, "tree")
    shutil.copytree(os.path.join(root, "compiler"), os.path.join(tree, "compiler"))
    before = fingerprint(tree)
    cases = [(True, "compiler/" + path, old, new) for path, old, new in (
                 ("base/Formula.cpp", "return", "return  /* a remark */\n"), ("loops/ops/MatmulLoops.cpp", "// ", "// another remark "),
                 ("codegen/IrEmitter.cpp", ";", "   ;\n"), ("jit/Jit.cpp", "return", "return 1 +"), ("loops/ir/LoopParser.cpp", "return", "return 1 +"),
                 ("store/KernelCache.cpp", "return", "return 1 +"), ("reference/Reference.cpp", "return", "return 1 +"))]
    cases += [(False, "compiler/" + path, old, new) for path, old, new in (
                  ("base/Formula.cpp", "return", "return 1 +"), ("loops/ops/MatmulLoops.cpp", "return", "return 1 +"), ("loops/build/RowSum.h", "kSafeSum", "kSafeSun"),
                  ("codegen/FloatState.cpp", "0x1F80", "0x1F00"), ("target/Target.cpp", '"x86-64-v3"', '"x86-64-v3 "'), ("base/Text.cpp", "return", "return 1 +"),
                  ("op/ScalarExpr.cpp", "return", "return 1 +"), ("loops/ir/LoopNodeList.h", "&IsaLevel::fma", "&IsaLevel::halves"),
                  ("op/activations/Softplus.h", "M::Accuracy::High", "M::Accuracy::Usual"))]
    for same, path, old, new in cases:
        place = os.path.join(tree, path)
        text = open(place, encoding="utf-8").read()
        if old not in text:
            failed.append(f"{path} has no {old!r}")
        with open(place, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))
        if (fingerprint(tree) == before) != same:
            failed.append(f"{path}: {old!r} as {new!r} {'changes it' if same else 'changes nothing'}")
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)

print("\n".join(failed))
print(f"{len(cases)} changes, {len(failed)} wrong")
sys.exit(1 if failed else 0)
