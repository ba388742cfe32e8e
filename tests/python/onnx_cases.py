"""tests/python/onnx_cases.py [PART] — ONNX's own operator cases (python3-onnx), through `import quern`: every case of the ops below agrees, or is
named with the reason. What only says where numbers lie (Reshape, Slice ...) and sums of shapes are NumPy's; all other arithmetic is quern's."""
import builtins
import sys

import numpy as np

for name in ("float", "int", "bool", "object", "str"):  # that onnx 1.12 takes from NumPy, which has them no more
    if name not in vars(np):
        setattr(np, name, getattr(builtins, name))
import quern

try:
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.case.node import collect_testcases
except ImportError:
    print("skipped: no python3-onnx (tools/setup --all)")
    sys.exit(77)

f32 = np.float32
ops = {}
TYPES = {np.dtype(t): n for t, n in ((np.float32, "f32"), (np.float16, "f16"), (np.float64, "f64"), (np.int8, "i8"), (np.uint8, "u8"), (np.int16, "i16"),
                                     (np.uint16, "u16"), (np.int32, "i32"), (np.int64, "i64"), (np.uint32, "u32"), (np.uint64, "u64"), (np.bool_, "bool"), ("V2", "bf16"))}


class Unsaid(Exception):
    """Why a case cannot be said."""


def call(text, *arrays):
    if text not in ops:
        ops[text] = quern.op(text, threads=1, kernels=kernels)
    return ops[text](*arrays)


def dense(x):
    return np.ascontiguousarray(x)


def as_f32(x):
    """In float32, by quern's cast."""
    return cast(np.asarray(x), np.dtype(f32))


def cast(x, dtype):
    x = x if x.flags.c_contiguous else dense(x)  # which would make rank 0 rank 1
    if x.dtype == dtype:
        return x
    if x.dtype not in TYPES or dtype not in TYPES:
        raise Unsaid("strings are no numbers" if object in (x.dtype, dtype) else f"no cast of {x.dtype} to {dtype}")
    return call(f"cast from={TYPES[x.dtype]} to={TYPES[dtype]}", x)


def floats(text):
    """A node of float32 arrays, whose result is of the first one's type."""

    def node(_, *inputs):
        first = np.asarray(inputs[-1])
        return cast(call(text, *map(as_f32, inputs)), first.dtype)

    return node


def unary(expr):
    return floats(f'map expr="{expr}"')


def mapped(expr, *inputs):
    return call(f'map expr="{expr}"', *map(as_f32, inputs))


def comparison(text):
    return lambda _, a, b: cast(call(text, as_f32(a), as_f32(b)), np.dtype(np.bool_))


def folded(text):
    def node(_, *inputs):
        total = as_f32(inputs[0])
        for each in inputs[1:]:
            total = call(text, total, as_f32(each))
        return cast(total, np.asarray(inputs[0]).dtype)

    return node


def mean(a, *inputs):
    return mapped(f"a / {len(inputs)}", folded("add")(a, *inputs))


def clip(_, x, lo=None, hi=None):
    out = as_f32(x)
    if lo is not None:
        out = call("max", out, as_f32(lo))
    if hi is not None:
        out = call("min", out, as_f32(hi))
    return cast(out, x.dtype)


def number(value):
    return repr(float(np.float32(value)))


def activation(expr, **defaults):
    """expr with {alpha} ... in it."""
    return lambda a, x: mapped(expr.format(**{k: number(a.get(k, v)) for k, v in defaults.items()}), x)


def axes_of(a, x, rest):
    axes = rest[0] if rest and rest[0] is not None else a.get("axes")
    if axes is not None and len(axes):
        return "axis=" + ",".join(str(int(each)) for each in axes)
    if a.get("noop_with_empty_axes"):
        return None
    return "axis=all"


def reduction(f, before="a", after="a"):
    def node(a, x, *rest):
        axes = axes_of(a, x, rest)
        y = as_f32(x) if before == "a" else mapped(before, x)
        if axes is not None:
            y = call(f"reduce {axes} f={f}" + (" keepdims=1" if a.get("keepdims", 1) else ""), y)
        return cast(y if after == "a" else mapped(after, y), np.asarray(x).dtype)

    return node


def log_sum_exp(a, x, *rest):
    axes, keep = axes_of(a, x, rest), " keepdims=1" if a.get("keepdims", 1) else ""
    x32 = as_f32(x)
    most = call(f"reduce {axes} f=max keepdims=1", x32)
    total = call(f"reduce {axes} f=sum keepdims=1", call('map expr="exp(a - b)"', x32, most))
    out = call('map expr="log(a) + b"', total, most)
    if not keep:
        out = out.reshape([e for i, e in enumerate(out.shape) if axes != "axis=all" and i not in {int(v) % x.ndim for v in axes[5:].split(",")}])
    return cast(out, np.asarray(x).dtype)


def softmax(a, x):
    return call(f"softmax axis={a.get('axis', -1)}", as_f32(x))


def log_softmax(a, x):
    axis = a.get("axis", -1)
    shifted = call("sub", as_f32(x), call(f"reduce axis={axis} f=max keepdims=1", as_f32(x)))
    return call('map expr="a - log(b)"', shifted, call(f"reduce axis={axis} f=sum keepdims=1", call("exp", shifted)))


def layernorm(a, x, gain, bias=None):
    axis, eps = a.get("axis", -1) % x.ndim, a.get("epsilon", 1e-5)
    text = f"layernorm axis={axis - x.ndim} eps={eps!r}" + (" bias=0" if bias is None else "")
    y = call(text, as_f32(x), *(as_f32(each) for each in (gain, bias) if each is not None))
    keep = f"reduce axis={','.join(map(str, range(axis, x.ndim)))} f=mean keepdims=1"
    middle = call(keep, as_f32(x))
    spread = call(keep, call('map expr="(a - b) * (a - b)"', as_f32(x), middle))
    return y, middle, mapped(f"1 / sqrt(a + {eps!r})", spread)


def mean_variance(a, x):
    axes = a.get("axes", [0, 2, 3])
    keep = "axis=" + ",".join(map(str, axes)) + " f=mean keepdims=1"
    middle = call("reduce " + keep, as_f32(x))
    away = call("sub", as_f32(x), middle)
    return call('map expr="a / (sqrt(b) + 1e-9)"', away, call("reduce " + keep, mapped("a * a", away)))


def batchnorm(a, x, scale, bias, middle, spread):
    if a.get("training_mode"):
        raise Unsaid("training: running means are another op")
    shape = [1, -1] + [1] * (x.ndim - 2)
    expr = f'map expr="(x - m) / sqrt(v + {a.get("epsilon", 1e-5)!r}) * s + b"'
    return call(expr, as_f32(x), *(as_f32(each).reshape(shape) for each in (middle, spread, scale, bias)))


def gemm(a, x, y, c=None):
    keys = "matmul" + (" ta=1" if a.get("transA") else "") + (" tb=1" if a.get("transB") else "")
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    product = call(keys, as_f32(x), as_f32(y))
    return mapped(f"a * {alpha!r}", product) if c is None else mapped(f"a * {alpha!r} + c * {beta!r}", product, c)


def gather(a, x, ids):
    axis = a.get("axis", 0) % x.ndim
    table = dense(np.moveaxis(x, axis, 0))
    rows = call("embedding", dense(ids.astype(np.int32)), table.reshape(table.shape[0], -1))
    return np.moveaxis(rows.reshape(ids.shape + table.shape[1:]), range(ids.ndim), range(axis, axis + ids.ndim))


def transposed(a, x):
    perm = a.get("perm")
    return call("transpose" + ("" if perm is None else " perm=" + ",".join(map(str, perm))), as_f32(x))


def power(_, a, b):
    return cast(call("pow", as_f32(a), as_f32(b)), a.dtype)


def where(_, c, a, b):
    return cast(call("where", as_f32(c), as_f32(a), as_f32(b)), a.dtype)


def to_type(a, x, like=None):
    if like is not None:
        return cast(x, like.dtype)
    dtype = onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[a["to"]]
    if a["to"] == onnx.TensorProto.STRING:
        raise Unsaid("strings are no numbers")
    return cast(x, np.dtype("V2") if a["to"] == onnx.TensorProto.BFLOAT16 else np.dtype(dtype))


# What is ours.
NODES = {
    "Add": folded("add"), "Sub": folded("sub"), "Mul": folded("mul"), "Div": folded("div"), "Max": folded("max"), "Min": folded("min"), "Sum": folded("add"),
    "Mean": mean, "Pow": power, "Where": where, "Clip": clip, "Equal": comparison("equal"), "Less": comparison("less"), "Greater": comparison("greater"),
    "LessOrEqual": comparison("less_equal"), "GreaterOrEqual": comparison("greater_equal"),
    "Reciprocal": unary("1 / a"), "Softsign": unary("a / (1 + abs(a))"), "Cosh": unary("(exp(a) + exp(-a)) / 2"), "Sinh": unary("(exp(a) - exp(-a)) / 2"),
    "Tan": unary("sin(a) / cos(a)"),
    "Celu": activation("max(0, x) + min(0, {alpha} * (exp(x / {alpha}) - 1))", alpha=1), "Elu": activation("where(less(x, 0), {alpha} * (exp(x) - 1), x)", alpha=1),
    "Selu": activation("{gamma} * where(less(x, 0), {alpha} * exp(x) - {alpha}, x)", alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "LeakyRelu": activation("where(less(x, 0), {alpha} * x, x)", alpha=0.01), "HardSigmoid": activation("max(0, min(1, {alpha} * x + {beta}))", alpha=0.2, beta=0.5),
    "HardSwish": activation("x * max(0, min(1, x / 6 + 0.5))"), "ThresholdedRelu": activation("where(greater(x, {alpha}), x, 0)", alpha=1),
    "Shrink": activation("where(less(x, -{lambd}), x + {bias}, where(greater(x, {lambd}), x - {bias}, 0))", lambd=0.5, bias=0),
    "PRelu": lambda _, x, slope: mapped("where(less(x, 0), x * s, x)", x, slope),
    "ReduceSum": reduction("sum"), "ReduceMean": reduction("mean"), "ReduceMax": reduction("max"), "ReduceMin": reduction("min"), "ReduceProd": reduction("prod"),
    "ReduceL1": reduction("sum", "abs(a)"), "ReduceL2": reduction("sum", "a * a", "sqrt(a)"), "ReduceSumSquare": reduction("sum", "a * a"),
    "ReduceLogSum": reduction("sum", "a", "log(a)"), "ReduceLogSumExp": log_sum_exp,
    "Softmax": softmax, "LogSoftmax": log_softmax, "LayerNormalization": layernorm, "MeanVarianceNormalization": mean_variance, "BatchNormalization": batchnorm,
    "MatMul": lambda _, a, b: cast(call("matmul", as_f32(a), as_f32(b)), a.dtype), "Gemm": gemm, "Gather": gather, "Transpose": transposed,
    "Cast": to_type, "CastLike": to_type,
    **{name: unary(f"{expr}(a)") for name, expr in (("Abs", "abs"), ("Sqrt", "sqrt"), ("Exp", "exp"), ("Log", "log"), ("Erf", "erf"), ("Tanh", "tanh"),
                                                    ("Sigmoid", "sigmoid"), ("Relu", "relu"), ("Softplus", "softplus"), ("Floor", "floor"), ("Ceil", "ceil"),
                                                    ("Round", "round"), ("Sin", "sin"), ("Cos", "cos"), ("Sign", "sign"))},
    "Neg": unary("-a"),
}
# What says where numbers lie.
PLACES = {
    "Constant": lambda a: numpy_helper.to_array(a["value"]) if "value" in a else np.array(next(iter(a.values()))),
    "Shape": lambda a, x: np.array(x.shape[a.get("start", 0):a.get("end")], np.int64), "Size": lambda a, x: np.array(x.size, np.int64),
    "Reshape": lambda a, x, s: x.reshape([int(e) if e else x.shape[i] for i, e in enumerate(s)]), "Identity": lambda a, x: x,
    "Flatten": lambda a, x: x.reshape(int(np.prod(x.shape[:a.get("axis", 1)], dtype=np.int64)), -1), "Concat": lambda a, *x: np.concatenate(x, a["axis"]),
    "Slice": lambda a, x, b, e, axes=None, steps=None: x[tuple(slice(int(b[0]), int(e[0])) if i == (0 if axes is None else int(axes[0])) else slice(None)
                                                               for i in range(x.ndim))],
    "ConstantOfShape": lambda a, s: np.full(tuple(int(e) for e in s), numpy_helper.to_array(a["value"])[0] if "value" in a else f32(0)),
    "Unsqueeze": lambda a, x, axes: np.expand_dims(x, tuple(int(e) for e in axes)), "Or": lambda a, x, y: x | y,
}
NUMBERS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Neg": np.negative, "Div": np.floor_divide, "Cast": None}


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def counts_places(node, inputs):
    """Sums of shapes, in graphs of several nodes."""
    return node.op_type in NUMBERS and node.op_type != "Cast" and all(x.dtype == np.int64 and x.size <= 1 for x in inputs)


def is_bf16(value):
    return value.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16


def run(graph, inputs):
    # bf16 comes as uint16 of the same bits.
    values = {i.name: np.ascontiguousarray(x).view("V2") if is_bf16(i) and x.dtype == np.uint16 else x for i, x in zip(graph.input, inputs)}
    several = len(graph.node) > 1
    for node in graph.node:
        given = [values[name] if name else None for name in node.input]
        if node.op_type in PLACES:
            outputs = PLACES[node.op_type](attributes(node), *given)
        elif several and counts_places(node, given):
            outputs = NUMBERS[node.op_type](*given)
        else:
            outputs = NODES[node.op_type](attributes(node), *given)
        values.update(zip(node.output, outputs if isinstance(outputs, tuple) else (outputs,)))
    return [values[o.name].view(np.uint16) if values[o.name].dtype == "V2" else values[o.name] for o in graph.output]


def check(case):
    for inputs, outputs in case.data_sets:
        for found, wanted in zip(run(case.model.graph, inputs), outputs):
            wanted = np.asarray(wanted)
            if found.shape != wanted.shape or found.dtype != wanted.dtype:
                raise AssertionError(f"{found.dtype}{found.shape}, {wanted.dtype}{wanted.shape} expected")
            np.testing.assert_allclose(found, wanted, rtol=case.rtol, atol=case.atol)


kernels = quern.Kernels(cache="none")
part = sys.argv[1] if len(sys.argv) > 1 else ""
agree, named, wrong = 0, [], []
for case in collect_testcases(""):
    kinds = {node.op_type for node in case.model.graph.node}
    if not kinds <= NODES.keys() | PLACES.keys() or not kinds & NODES.keys() or part not in case.name:
        continue
    try:
        check(case)
        agree += 1
    except Unsaid as why:
        named.append(f"{case.name}: {why}")
    except Exception as error:  # pylint: disable=broad-except
        wrong.append(f"{case.name}: {type(error).__name__}: {str(error).strip()[:300]}")
for line in named:
    print("named", line)
for line in wrong:
    print("WRONG", line)
print(f"{agree} agree, {len(named)} are named, {len(wrong)} are wrong")
sys.exit(1 if wrong or len(named) > 40 or (not part and agree < 250) else 0)
