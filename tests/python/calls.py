"""tests/python/calls.py [MODEL] — `import quern`: results, layouts, what is refused and how, models, threads, Ctrl-C, tuning."""
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)
import quern

os.environ.pop("LD_PRELOAD", None)  # a sanitizer of this process is not its children's
f32 = np.float32
MODEL = os.path.join(os.environ.get("QUERN_SHARED") or sys.argv[1], "models/stories260K/stories260K.gguf")
rng = np.random.default_rng(1)
done, wrong = 0, []


def check(good, what):
    global done
    done += 1
    if not good:
        wrong.append(str(what))
        print("WRONG", what)


def floats(*shape):
    return rng.standard_normal(shape, dtype=f32)


def refused(part, function, *arguments, kind=ValueError, **named):
    try:
        found = function(*arguments, **named)
    except kind as error:
        check(part in str(error), f"'{error}' does not say '{part}'")
    except Exception as error:  # pylint: disable=broad-except
        check(False, f"{type(error).__name__}: {error}: {kind.__name__} with '{part}' expected")
    else:
        check(False, f"{found!r} in place of an error that says '{part}'")


def operations():
    x = floats(3, 17)
    exact = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    softmax = quern.op("softmax axis=-1")
    check(np.abs(softmax(x) - exact / exact.sum(axis=-1, keepdims=True)).max() < 1e-6, "softmax")
    check(softmax.info["op"] == "softmax x=*x17" or softmax.info["op"].startswith("softmax x="), softmax.info)
    a, b, bias = floats(33, 20), floats(20, 50), floats(50)
    linear = quern.op("matmul ep=bias+relu")
    check(np.allclose(linear(a, b, bias), np.maximum(a @ b + bias, 0), atol=1e-5), "matmul with an epilogue")
    # Where they lie: rows of a wider array, out= of one, and a view that is written.
    wide, target = floats(33, 64), np.zeros((33, 64), f32)
    product = quern.op("matmul")
    got = product(wide[:, :20], b, out=target[:, 4:54])
    check(got.base is target or got is not None and np.shares_memory(got, target), "out= is what comes back")
    check(np.allclose(target[:, 4:54], wide[:, :20] @ b, atol=1e-5) and not target[:, :4].any() and not target[:, 54:].any(), "strided rows")
    check(np.array_equal(product(a, b, threads=1), product(a, b, threads=2)), "threads change no bit")
    for shape in ((2, 3), (5, 3), (1, 1), (0, 3), (7, 1)):  # one op for all sizes
        y = floats(*shape)
        check(np.array_equal(quern.op("mul")(y, y), y * y), shape)
    mul = quern.op("mul")
    check(np.array_equal(mul(floats(0, 4), np.ones((4,), f32)), np.zeros((0, 4), f32)), "no rows")
    check(np.array_equal(mul(x, 2.0), x * 2) and np.array_equal(mul(x, np.array(2, f32)), x * 2), "a number is an array")
    half = rng.standard_normal((4, 8)).astype(np.float16)
    check(np.array_equal(quern.op("cast from=f16 to=f32")(half), half.astype(f32)), "f16")
    dtypes = (f32, np.float16, np.float64, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.bool_)
    names = ("f32", "f16", "f64", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "bool")
    for dtype, name in zip(dtypes, names):
        cast = quern.op(f"cast to={name}")  # from= is the array's
        for other in dtypes:
            for given in (np.array([[0, 1, 5], [100, 37, 1]], other), np.array(3, other)):
                got = cast(given)
                check(got.dtype == dtype and got.shape == given.shape and np.array_equal(got, given.astype(dtype)), f"{other} to {name}: {got}")
    check(np.array_equal(quern.op("cast to=u8")(np.array([-1, 300], np.int64)), np.array([255, 44], np.uint8)), "whole numbers keep their low bits")
    refused("dtype float32, int64 is needed", quern.op("cast from=i64 to=f32"), np.ones(3, f32))
    bf16 = quern.op("cast to=bf16")(x)
    check(bf16.dtype == np.dtype("V2") and bf16.shape == x.shape, bf16.dtype)
    check(np.allclose(quern.op("cast from=bf16 to=f32")(bf16), x, rtol=2**-8), "bf16, as |V2")
    ids = np.array([2, 0, 1, 2], np.int32)
    table = floats(3, 6)
    check(np.array_equal(quern.op("embedding")(ids, table), table[ids]), "embedding")
    check(np.array_equal(quern.op("transpose perm=1,0")(x), x.T), "transpose")


class Foreign:
    """An array of another library: all it has is DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **named):
        return self.array.__dlpack__(**named)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def exchange():
    x = floats(4, 8)
    check(np.array_equal(quern.op("neg")(Foreign(x)), -x), "DLPack in")
    check(np.array_equal(np.from_dlpack(quern.op("neg")(x)), -x), "DLPack out")
    weight = floats(64, 96)
    linear = quern.op("matmul m=* n=96 k=64 const=b")
    a = floats(5, 64)
    plain = linear(a, weight)
    packed = linear.pack(1, weight)
    check(packed.shape == (64, 96) and np.array_equal(linear(a, packed), plain), "a packed weight")
    # A weight in blocks, as bytes: q8_0 of ones times 0.5.
    blocks = np.zeros((4, 34), np.uint8)
    blocks[:, :2] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    blocks[:, 2:] = 3
    y = quern.op("matmul m=2 n=4 k=32 w=q8_0 const=b tb=1")(np.ones((2, 32), f32), blocks)
    check(np.array_equal(y, np.full((2, 4), 48, f32)), y)


def numbers():
    x = floats(3, 4)
    add, ids, table = quern.op("add"), quern.op("embedding"), floats(5, 2)
    for number in (2.0, 2, f32(2), np.float64(2), np.int64(2), x[0, 0], x.sum()):
        check(np.allclose(add(x, number), x + f32(number)), type(number))
    refused("does not fit", add, x, 10**400)
    refused("masked array", add, x, np.ma.masked_array(x, x > 0))
    refused("input 1 (ids): dtype int64, int32 is needed", quern.op("embedding"), np.array([0, 1]), table)  # at the first call too
    check(np.array_equal(ids(1, table), table[1]) and np.array_equal(ids(np.array([-1], np.int32), table), table[-1:]), "an id alone, one from the end")
    blocks = np.zeros((4, 68), np.uint8)
    blocks[:, 0:2] = blocks[:, 34:36] = np.frombuffer(np.float16(1).tobytes(), np.uint8)
    blocks[:, 2:34] = blocks[:, 36:] = 1
    check(np.array_equal(quern.op("matmul w=q8_0 tb=1 const=b")(np.ones((2, 64), f32), blocks), np.full((2, 4), 64, f32)), "blocks, sizes from the arrays")
    weight = floats(64, 16)
    alone = quern.op("matmul m=* n=16 k=64 const=b")
    packed = alone.pack(1, weight)  # before any call
    check(np.allclose(alone(floats(1, 64) * 0 + 1, packed), weight.sum(axis=0), atol=1e-4) and alone.info["op"].startswith("matmul"), "packed first")
    refused("leaves sizes open", quern.op("matmul const=b").pack, 1, weight)


def bundles():
    x = floats(3, 16)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([quern._program.program(), "emit", "softmax x=*x16", "-o", folder + "/b", "--quiet"], check=True)
        alone = quern.Kernels(cache="none", bundle=folder + "/b", no_compiler=True)
        softmax = quern.op("softmax", kernels=alone)
        check(np.array_equal(softmax(x), quern.op("softmax")(x)) and softmax.info["kernel_from"] == "bundle", "a bundle's kernel for arrays that it serves")


def refusals():
    x, a, b = floats(4, 16), floats(6, 8), floats(8, 10)
    softmax, matmul, ids = quern.op("softmax"), quern.op("matmul"), quern.op("embedding")
    softmax(x), matmul(a, b)
    refused("unknown op 'softmaxx', did you mean 'softmax'?", quern.op("softmaxx"), x)
    refused("axis", quern.op("softmax axis=9"), x)
    refused("input 1 (x): dtype float64, float32 is needed", softmax, x.astype(np.float64))
    refused("input 1 (x): dtype int64", softmax, x.astype(np.int64))
    refused("input 1 (x): dtype >f4", softmax, x.astype(">f4"))
    refused("input 1 (x): dtype complex64", softmax, x.astype(np.complex64))
    refused("input 2 (B): strides of 64 bytes on axis 1", matmul, a, np.zeros((8, 10, 16), f32)[:, :, 0])
    refused("input 1 (x): strides of -4 bytes on axis 1", softmax, x[:, ::-1])
    refused("input 1 (x): its stride 0", softmax, floats(4, 32)[:, :16])
    refused("is 6x8", matmul, floats(3, 9), a)
    refused("input 2 (B) is 8x10", matmul, floats(3, 9), b)
    refused("1 input given, 2 needed", matmul, a)
    refused("list is no array", softmax, [[1.0, 2.0]])
    refused("str is no array", softmax, "text")
    refused("NoneType is no array", softmax, None)
    refused("out: a NumPy array is needed", softmax, x, out=[1])
    refused("its shape is 3x3, 4x16 is needed", softmax, x, out=np.zeros((3, 3), f32))
    refused("its type is f64", softmax, x, out=np.zeros((4, 16)))
    refused("overlaps input 1", softmax, x, out=x)
    frozen = np.zeros((4, 16), f32)
    frozen.flags.writeable = False
    refused("read-only", softmax, x, out=frozen)
    refused("threads is -2", softmax, x, threads=-2)
    refused("element 1 is 9, ids are -6 to 5", ids, np.array([0, 9], np.int32), a)
    refused("dtype int64, int32 is needed", ids, np.array([0, 1]), a)
    refused("nothing was tuned", quern.op("softmax x=5x7", schedule="tuned"), floats(5, 7))
    refused("key=value", quern.op("softmax x=5x7", schedule="nonsense"), floats(5, 7))
    refused("/nowhere", quern.Model, "/nowhere.gguf")
    refused("known", quern.Kernels, cpu="pentium")
    refused("lacks", quern.Kernels, cpu="neoverse-v1", kind=quern.Error)
    alone = quern.Kernels(cache="none", no_compiler=True)
    refused("the compiler is refused", quern.op("softmax", kernels=alone), x, kind=quern.Error)


def threads():
    op, x = quern.op("layernorm"), [floats(64, 100 + i) for i in range(8)]
    ones, zeros = [np.ones(100 + i, f32) for i in range(8)], [np.zeros(100 + i, f32) for i in range(8)]
    alone = [op(x[i], ones[i], zeros[i]) for i in range(8)]
    found = [None] * 8

    def work(i):
        for _ in range(50):
            found[i] = op(x[i], ones[i], zeros[i])

    all_ = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for each in all_:
        each.start()
    for each in all_:
        each.join()
    check(all(np.array_equal(a, b) for a, b in zip(alone, found)), "eight threads, one op")


def models(path):
    model = quern.Model(path, threads=2)
    ids = model.tokenize("Once upon a time")
    check(ids[0] == model.info["begin"] and model.detokenize(ids) == "Once upon a time", ids)
    said = model.chat_ids([("system", "Be kind."), {"role": "user", "content": "Once </s> upon"}], template="mistral-v1")
    check(said[0] == 1 and said.count(1) == 1 and said.count(2) == 0 and model.detokenize(said).strip() == "[INST] Be kind.\n\nOnce </s> upon [/INST]", model.detokenize(said))
    refused("has no chat template: --chat-template NAME says how its conversations are written", model.chat_ids, [("user", "a")])
    refused("message 2: the chat template (gemma) has user and assistant in turn", model.chat_ids, [("user", "a"), ("user", "b")], "gemma")
    refused("a character 0", model.chat_ids, [("user", "a\0")], "gemma")
    refused("nix.gguf: No such file or directory", quern.Model, path, lora=[("nix.gguf", 0.5)])
    logits = model.logits(ids)
    check(logits.shape == (len(ids), model.info["vocab"]) and logits.dtype == f32, logits.shape)
    session = model.session()
    pieces = [session.feed([each]) for each in ids]
    check(np.array_equal(np.concatenate(pieces), logits) and session.position == len(ids), "token by token, the same bits")
    session.rewind(2)
    check(np.array_equal(session.feed(ids[2:], outputs=len(ids) - 2), logits[2:]), "rewound")
    text = "".join(model.generate("Once upon a time", n=12, temperature=0))
    numbers = list(model.generate(ids, n=12, temperature=0, ids=True))
    check(len(numbers) == 12 and numbers[0] == int(logits[-1].argmax()) and model.detokenize(ids + numbers) == "Once upon a time" + text, (text, numbers))
    check("".join(model.generate("A", n=9, seed=5)) == "".join(model.generate("A", n=9, seed=5)), "a seed")
    both = [model.generate("Once upon a time", n=12, temperature=0) for _ in range(2)]  # side by side
    check("".join(a for a, _ in zip(*both)) == "".join(model.generate("Once upon a time", n=12, temperature=0)), "two texts at once")
    kept = model.generate("Once", n=5)
    next(kept)
    kept.close()
    refused("outside its vocabulary", model.logits, [1, 10**6])
    refused("no token id", model.logits, [-1])
    refused("beyond the context", session.feed, [1] * (model.info["context"] + 1))
    refused("bytes is no sequence", lambda: list(model.generate(b"abc")))
    refused("whole numbers", lambda: list(model.generate([1.9])))
    refused("temp", lambda: list(model.generate("a", temperature=-1)))
    refused("n: 0", lambda: list(model.generate("a", n=0)))
    # Ctrl-C ends a text, and the model goes on.
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        while True:
            for _ in model.generate("Once", seed=1):
                pass
    except KeyboardInterrupt:
        check(True, "Ctrl-C")
    timer.join()
    check(np.array_equal(model.logits(ids), logits), "after Ctrl-C")


def programs():
    op = "softmax x=16x64"
    space = quern.space(op)
    check(len(space) > 3 and all("lanes=" in each for each in space), space[:2])
    rows = quern.measure(op, space[:2] + ["nonsense"], threads=1)
    check(len(rows) == 3 and rows[1]["low"] <= rows[1]["ratio"] <= rows[1]["high"] and "error" in rows[2], rows)
    with tempfile.TemporaryDirectory() as folder:
        said = quern.tune(op, budget="5s", candidates=space[:2], threads=1, cache=folder)
        op2 = quern.op(op, kernels=quern.Kernels(cache=folder))
        op2(floats(16, 64))
        check(op2.info["op"] == op, op2.info)
        check(said["op"] == op and sum(int(said["counts"][k]) for k in ("pruned", "failed", "measured", "untried")) == int(said["counts"]["space"]), said["counts"])
    refused("unknown op", quern.tune, "softmaxx x=3")
    refused("unknown op", quern.explain, "softmaxx x=3")
    check("softmax x=SHAPE" in quern.ops(), "ops()")


def forked():
    """A child of a process that has run goes on, alone, and takes down what it was left."""
    own = quern.Kernels()
    op, x = quern.op("matmul", kernels=own), floats(300, 300)
    whole = op(x, x, threads=2)
    session = quern.Model(MODEL, threads=2).session() if os.path.exists(MODEL) else None
    child = os.fork()
    if child == 0:
        same = np.array_equal(op(x, x, threads=2), whole)
        del op, own, session
        os._exit(0 if same else 1)
    started = time.monotonic()
    while time.monotonic() < started + 60:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            check(status == 0, f"the child of a fork: {status}")
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    check(False, "the child of a fork hangs")


with tempfile.TemporaryDirectory() as cache:
    os.environ["QUERN_CACHE_DIR"] = cache
    for part in (operations, exchange, numbers, bundles, refusals, threads, forked, programs):
        part()
    if os.path.exists(MODEL):
        models(MODEL)
    else:
        print(f"skipped: {MODEL} is not there")
print(f"{done} checks, {len(wrong)} wrong")
sys.exit(1 if wrong or done < 60 else 0)
