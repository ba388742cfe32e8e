"""tests/files/oddities.py — model files that are unusual and right: what `info --json` must say of them."""
from bad_safetensors import CONFIG
from make import BF16, F16, F32, I32, LLAMA, Q4_K, Q6_K, Q8_0, Tensor, entry, floats, gguf, good_data, good_header, pair, safetensors, two

ALL_KINDS = [("k.u8", "u8", 255), ("k.i8", "i8", -128), ("k.u16", "u16", 65535), ("k.i16", "i16", -32768), ("k.u32", "u32", 4294967295), ("k.i32", "i32", -2147483648),
             ("k.f32", "f32", 0.5), ("k.bool", "bool", 1), ("k.str", "str", "caf\u00e9"), ("k.u64", "u64", 18446744073709551615), ("k.i64", "i64", -9223372036854775808), ("k.f64", "f64", 0.1),
             ("a.i8", "arr", ("i8", [-1, 2])), ("a.f64", "arr", ("f64", [0.25])), ("a.bool", "arr", ("bool", [1, 0])), ("a.u64", "arr", ("u64", [18446744073709551615])), ("a.none", "arr", ("str", [])),
             ("a.arr", "arr", ("arr", [("u8", [1, 2]), ("arr", [("str", ["x", ""])])]))]

# name -> (bytes, pieces of the answer)
FILES = {
    "plain.gguf": (gguf(), {"architecture": "llama", "parameters": 40, "context": 8, "tokens": 3, "tensors/0/name": "a", "tensors/0/shape": [4, 8], "tensors/0/type": "f32", "format": "gguf", "check/values": 40}),
    "version2.gguf": (gguf(version=2), {"parameters": 40}),
    "nothing.gguf": (gguf(pairs=[], tensors=[]), {"parameters": 0, "tensors": [], "metadata": {}}),
    "vocabulary.gguf": (gguf(tensors=[]), {"tokens": 3, "tensors": []}),
    "align8.gguf": (gguf(pairs=[("general.alignment", "u32", 8)], tensors=[Tensor("h", [3], F16, bytes(6)), Tensor("a", [1], F32, floats(1))], align=8), {"parameters": 4, "metadata/general.alignment": 8}),
    "align64.gguf": (gguf(pairs=LLAMA + [("general.alignment", "u32", 64)], align=64), {"parameters": 40}),
    "align4096.gguf": (gguf(pairs=[("general.alignment", "u64", 4096)] + LLAMA, align=4096), {"parameters": 40}),
    "unpadded.gguf": (gguf(tensors=[Tensor("h", [3], F16, bytes(6))], pad_last=False), {"parameters": 3}),
    "half-padded.gguf": (gguf(tensors=[Tensor("h", [3], F16, bytes(6))], pad_last=False, tail=bytes(5)), {"parameters": 3}),
    "zero.gguf": (gguf(tensors=[Tensor("z", [0]), Tensor("a", [8], F32, floats(8)), Tensor("zz", [32, 0, 5], Q8_0)]), {"parameters": 8, "tensors/0/shape": [0], "tensors/2/shape": [5, 0, 32], "tensors/2/bytes": 0}),
    "zero-alone.gguf": (gguf(tensors=[Tensor("z", [0, 7])]), {"parameters": 0, "tensors/0/bytes": 0}),
    "zero-last.gguf": (gguf(tensors=[Tensor("h", [3], F16, bytes(6)), Tensor("z", [0])], pad_last=False), {"parameters": 3}),
    "four-dims.gguf": (gguf(tensors=[Tensor("a", [2, 1, 4, 1], F32, floats(8))]), {"tensors/0/shape": [1, 4, 1, 2]}),
    "order.gguf": (gguf(tensors=[Tensor("last", [8], F32, floats(8), 64), Tensor("first", [8], F32, floats(8), 0), Tensor("middle", [8], F32, floats(8), 32)]),
                   {"tensors/0/name": "first", "tensors/1/name": "middle", "tensors/2/name": "last"}),
    "kinds.gguf": (gguf(pairs=ALL_KINDS), {"metadata/k.u8": 255, "metadata/k.i8": -128, "metadata/k.i16": -32768, "metadata/k.u64": 18446744073709551615, "metadata/k.i64": -9223372036854775808, "metadata/k.f64": 0.1,
                                           "metadata/k.str": "caf\u00e9", "metadata/k.bool": True, "metadata/a.i8": {"count": 2, "first": [-1, 2]}, "metadata/a.bool": {"count": 2, "first": [True, False]},
                                           "metadata/a.u64/first/0": 18446744073709551615, "metadata/a.none": {"count": 0, "first": []}, "metadata/a.arr": {"arrays": 2}}),
    "empty-strings.gguf": (gguf(pairs=[("", "str", ""), ("general.name", "str", ""), ("x", "arr", ("str", ["", ""]))], tensors=[Tensor("", [8], F32, floats(8))]), {"name": "", "tensors/0/name": "", "metadata/x/count": 2}),
    "bytes.gguf": (gguf(pairs=[(b"\xff\x00k", "str", b"\x1b[31m\xff\x00")], tensors=[Tensor(b"\xfe\n", [8], F32, floats(8))]), {"parameters": 8}),
    "name64.gguf": (gguf(tensors=[Tensor("x" * 64, [8], F32, floats(8))]), {"tensors/0/name": "x" * 64}),
    "types.gguf": (gguf(tensors=[Tensor("i", [3], I32, bytes(12)), Tensor("b", [5], BF16, bytes(10)), Tensor("k", [256, 2], Q4_K, bytes(288)), Tensor("l", [256], Q6_K, bytes(210)), Tensor("m", [256], 16, bytes(66))]),
                   {"parameters": 3 + 5 + 512 + 256 + 256, "check/skipped": ["i", "m"], "tensors/4/type": "iq2_xxs", "check/values": 773}),
    "wrong-kind.gguf": (gguf(pairs=[("general.architecture", "str", "llama"), ("llama.context_length", "str", "8")]),
                        {"refused/0": "wrong-kind.gguf: metadata 'llama.context_length' is a string, an integer is needed"}),
    "same-tokens.gguf": (gguf(pairs=LLAMA[:-1] + [("tokenizer.ggml.tokens", "arr", ("str", ["<unk>", "b", "b"])), ("tokenizer.ggml.scores", "arr", ("f32", [0, 0, 0])), ("tokenizer.ggml.token_type", "arr", ("i32", [2, 1, 1])),
                                          ("tokenizer.ggml.unknown_token_id", "u32", 0)], tensors=[]),
                         {"tokens": 3, "refused/1": "same-tokens.gguf: metadata 'tokenizer.ggml.tokens' has 'b' at 1 and at 2, tokens differ"}),
    "one-of-one.gguf": (gguf(pairs=[("split.no", "u16", 0), ("split.count", "u16", 1), ("split.tensors.count", "i32", 2)]), {"parameters": 40}),
}


def folder(header, data, config=CONFIG, **more):
    return {"config.json": config, "model.safetensors": header if isinstance(header, bytes) else safetensors(header, data), **more}


FOLDERS = {
    "plain": (folder(good_header(), good_data()), {"architecture": "gpt2", "width": 8, "parameters": 9, "tensors/0/name": "w", "tensors/1/type": "f16", "format": "safetensors"}),
    "other-name": ({"config.json": CONFIG, "weights.safetensors": safetensors(good_header(), good_data())}, {"parameters": 9}),
    "nothing": (folder({}, b""), {"parameters": 0, "tensors": []}),
    "padded": (folder(safetensors(good_header(), good_data(), pad=1001), b""), {"parameters": 9}),
    "misaligned": (folder({"a": entry("U8", [3], 0, 3), "f": entry("F32", [2], 3, 11), "d": entry("F64", [1], 11, 19)}, bytes(3) + floats(2) + bytes(8)), {"parameters": 6, "check/skipped": ["a"]}),
    "scalar": (folder({"s": entry("F32", [], 0, 4)}, floats(1)), {"parameters": 1, "tensors/0/shape": []}),
    "empty-tensors": (folder({"z": entry("F32", [0, 3], 0, 0), "a": entry("F32", [1], 0, 4), "y": entry("F16", [5, 0], 4, 4)}, floats(1)), {"parameters": 1, "tensors/0/name": "z"}),
    "disordered": (folder({"b": entry("F32", [1], 4, 8), "a": entry("F32", [1], 0, 4)}, floats(2)), {"tensors/0/name": "a"}),
    "bools": (folder({"m": entry("BOOL", [2, 2], 0, 4), "e": entry("F8_E4M3", [4], 4, 8)}, bytes(8)), {"check/skipped": ["m", "e"]}),
    "names": (folder({"": entry("U8", [1], 0, 1), "\u00e9\n.*": entry("U8", [1], 1, 2), "a.b.c": entry("U8", [1], 2, 3)}, bytes(3)), {"tensors/0/name": "", "tensors/1/name": "\u00e9\n.*"}),
    "tokenizer": (folder(good_header(), good_data(), **{"tokenizer.json": b"{}"}), {"tokenizer": "tokenizer.json", "refused/1": "./tokenizer/tokenizer.json: 'model.type' is missing, and no merges say that it is BPE"}),
    "white": (folder(safetensors(b'{ "w" :\n\t{"shape":[ 1 ] , "data_offsets":[0,4],"dtype":"F32"}\r\n}', floats(1)), b""), {"parameters": 1}),
    "config-kind": (folder(good_header(), good_data(), config=b'{"model_type":"gpt2","n_embd":"8"}'), {"refused/0": "./config-kind/config.json: 'n_embd' is a string, an integer is needed"}),
}
