"""tests/examples/race.py — quern.op beside NumPy, one thread each: python3 race.py"""
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
import math
import sys
import time

import numpy as np
import quern


def floats(*shape):
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def np_softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def np_gelu(x):
    return np.float32(0.5) * x * (1 + np.tanh(np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)))


def np_layernorm(x, g, b):
    mean = x.mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + np.float32(1e-5)) * g + b


ROWS = [
    ("matmul 512x512x512", "matmul", np.matmul, (floats(512, 512), floats(512, 512))),
    ("softmax 1000x1000", "softmax", np_softmax, (floats(1000, 1000),)),
    ("gelu of 10^6", "gelu form=tanh", np_gelu, (floats(1000000),)),
    ("layernorm 128x768", "layernorm", np_layernorm, (floats(128, 768), floats(768), floats(768))),
]


def blas():
    """What NumPy multiplies with, as far as this process shows it."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        names = {line.split()[-1] for line in file if "blas" in line or "mkl" in line}
    return ", ".join(sorted(names)) or "its own loops"


def seconds(function, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def main(rounds):
    worst = 0.0
    np.ones((4, 4), np.float32) @ np.ones((4, 4), np.float32)
    print("NumPy multiplies with", blas())
    for name, text, theirs, arrays in ROWS:
        op = quern.op(text, threads=1)
        out = op(*arrays)
        wrong = float(np.abs(out - theirs(*arrays)).max())
        worst = max(worst, wrong)
        repeats = max(1, int(0.02 / seconds(lambda: theirs(*arrays), 1)))
        ratios, ours = [], []
        for _ in range(rounds):
            a = seconds(lambda: op(*arrays, out=out), repeats)
            b = seconds(lambda: theirs(*arrays), repeats)
            ratios.append(b / a)
            ours.append(a)
        ratios.sort()
        print(f"{name:<20} {ratios[len(ratios) // 2]:5.2f}x of NumPy ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
              f"{sorted(ours)[len(ours) // 2] * 1e6:.0f} us, largest difference {wrong:.1e}")
    return 0 if worst < 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
