"""tests/python/overhead.py [CALLS] — what a call costs from Python: a 1 x 16 softmax, on one thread, new and into out=."""
import sys
import time

import numpy as np
import quern


def main(calls):
    op, x = quern.op("softmax", threads=1), np.ones((1, 16), np.float32)
    out = op(x)
    for name, call in (("a new array", lambda: op(x)), ("out=", lambda: op(x, out=out))):
        runs = []
        for _ in range(9):
            start = time.perf_counter()
            for _ in range(calls):
                call()
            runs.append((time.perf_counter() - start) * 1e6 / calls)
        print(f"softmax 1x16, {name}: {sorted(runs)[4]:.2f} us a call, the lambda's own included")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 100000)
