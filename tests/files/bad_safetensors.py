"""tests/files/bad_safetensors.py — folders that are wrong in one way each, and the whole message for it."""
import json
import struct

from make import entry, good_data, good_header, gguf, safetensors

CONFIG = b'{"model_type": "gpt2", "n_embd": 8}'
DTYPES = "F32 F16 BF16 F64 I8 I16 I32 I64 U8 U16 U32 U64 BOOL F8_E4M3 F8_E5M2 F8_E8M0 C64"


def header(text, data=b""):
    return safetensors(text.encode(), data)


def w(fields, data=b"", **more):
    """One tensor w with these fields in place of good ones."""
    good = {"dtype": '"F32"', "shape": "[2]", "data_offsets": "[0,8]", **fields}
    return header('{"w":{' + ",".join(f'"{key}":{text}' for key, text in good.items() if text) + "}}", data or bytes(8))


def pair_of(a, to_a, b, to_b):
    """Two tensors of bytes; single digits, so that the data begin at PAIR always."""
    return safetensors({"a": entry("U8", [to_a - a], a, to_a), "b": entry("U8", [to_b - b], b, to_b)}, bytes(max(to_a, to_b)))


GOOD = len(safetensors(good_header()))
PAIR = len(pair_of(0, 4, 4, 8)) - 8

# name -> (model.safetensors, message behind "quern: NAME/model.safetensors: ")
CASES = {
    "st-empty": (b"", "is empty"),
    "st-short": (b"\1\2\3", "the file ends at byte 3, inside the header's length (8 bytes)"),
    "st-eight": (struct.pack("<Q", 2), "the header's length is 2, the file has 0 bytes behind it"),
    "st-zero": (struct.pack("<Q", 0) + b"{}", "the header does not begin with '{'") ,
    "st-huge": (struct.pack("<Q", 1 << 62) + b"{}", "the header's length is 4611686018427387904, at most 100000000 are legal"),
    "st-limit": (struct.pack("<Q", 100000001) + b"{}", "the header's length is 100000001, at most 100000000 are legal"),
    "st-behind": (struct.pack("<Q", 99) + b"{}", "the header's length is 99, the file has 2 bytes behind it"),
    "st-list": (header("[1]"), "the header does not begin with '{'"),
    "st-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a Git LFS pointer, not the file itself: `git lfs pull` fetches it"),
    "st-page": (b"<!doctype html><html></html>", "is an HTML page, not a model: look at it to see what the server said"),
    "st-zip": (b"PK\x03\x04" + bytes(60), "is a zip archive, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"),
    "st-gguf": (gguf(), "is a GGUF file: name it .gguf"),
    # The header's JSON.
    "js-cut": (header('{"w":{"dtype":"F32"'), "byte 27: syntax error while parsing object - unexpected end of input; expected '}'"),
    "js-comma": (header('{"w":1,}'), "tensor 'w' is an integer, an object with dtype, shape and data_offsets is needed"),
    "js-trailing": (header('{} {}'), "byte 11: syntax error while parsing value - unexpected '{'; expected end of input"),
    "js-nul": (header('{}\0'), "byte 10: a zero byte, which JSON does not have"),
    "js-utf8": (safetensors(b'{"\xff":1}'), "byte 10: syntax error while parsing object key - invalid string: ill-formed UTF-8 byte; expected string literal"),
    "js-twice": (header('{"w":' + json.dumps(entry("F32", [], 0, 4)) + ',"w":' + json.dumps(entry("F32", [], 4, 8)) + "}", bytes(8)), "byte 70: key 'w' is given twice"),
    "js-twice-escaped": (header('{"w":' + json.dumps(entry("F32", [], 0, 4)) + ',"\\u0077":' + json.dumps(entry("F32", [], 4, 8)) + "}", bytes(8)), "byte 75: key '\\u0077' is given twice"),
    "js-field-twice": (w({"dtype": '"F32","dtype":"F32"'}), "byte 35: key 'dtype' is given twice"),
    "js-deep": (header('{"w":' + "[" * 100 + "]" * 100 + "}"), "byte 77: more than 64 objects and arrays inside each other"),
    "js-number": (w({"shape": "[1e999]"}), "byte 41: a number beyond the range of double"),
    "js-digits": (w({"shape": "[" + "1" * 2000 + "]"}), "byte 1061: a number of more than 1024 digits"),
    "js-string": (header('{"' + "x" * 5000000 + '":1}'), "byte 10: a string of more than 4194304 bytes"),
    "js-shape-long": (w({"shape": "[" + "1," * 100000 + "1]"}), "byte 165: 'w' has more than 64 parts"),
    "js-many": (header("{" + ",".join(f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(131073)) + "}"), "has more than 131072 tensors"),
    # Entries.
    "en-string": (header('{"w":"F32"}'), "tensor 'w' is a string, an object with dtype, shape and data_offsets is needed"),
    "en-no-dtype": (w({"dtype": ""}), "tensor 'w' has no field 'dtype'"),
    "en-no-shape": (w({"shape": ""}), "tensor 'w' has no field 'shape'"),
    "en-no-offsets": (w({"data_offsets": ""}), "tensor 'w' has no field 'data_offsets'"),
    "en-unknown": (w({"strides": "[1]"}), "tensor 'w' has the unknown field 'strides'; fields: dtype shape data_offsets"),
    "en-dtype-kind": (w({"dtype": "32"}), "tensor 'w' has a dtype that is an integer, a string is needed"),
    "en-dtype": (w({"dtype": '"F99"'}), f"tensor 'w' has dtype 'F99', which is not read; dtypes: {DTYPES}"),
    "en-dtype-f4": (w({"dtype": '"F4"'}), f"tensor 'w' has dtype 'F4', which is not read; dtypes: {DTYPES}"),
    "en-dtype-case": (w({"dtype": '"f32"'}), f"tensor 'w' has dtype 'f32', which is not read; dtypes: {DTYPES}"),
    "en-shape-kind": (w({"shape": "2"}), "tensor 'w' has a shape that is an integer, an array is needed"),
    "en-shape-negative": (w({"shape": "[-2]"}), "tensor 'w' has -2 in its shape, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-shape-fraction": (w({"shape": "[2.5]"}), "tensor 'w' has 2.5 in its shape, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-shape-float": (w({"shape": "[2.0]"}), "tensor 'w' has 2 in its shape, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-shape-large": (w({"shape": "[18446744073709551615]"}), "tensor 'w' has 18446744073709551615 in its shape, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-shape-larger": (w({"shape": "[18446744073709551616]"}), "tensor 'w' has 1.84467e+19 in its shape, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-shape-null": (w({"shape": "[null]"}), "tensor 'w' has null in its shape, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-product": (w({"shape": "[4294967296,4294967296]"}), "tensor 'w' has the shape [4294967296, 4294967296]: more than 2^63 bytes"),
    "en-bytes": (w({"shape": "[2305843009213693952]"}), "tensor 'w' has the shape [2305843009213693952]: more than 2^63 bytes"),
    "en-offsets-kind": (w({"data_offsets": '"0-8"'}), "tensor 'w' has data_offsets that are a string, an array of two numbers is needed"),
    "en-offsets-three": (w({"data_offsets": "[0,4,8]"}), "tensor 'w' has data_offsets that are an array of 3, an array of two numbers is needed"),
    "en-offsets-negative": (w({"data_offsets": "[-8,0]"}), "tensor 'w' has -8 in data_offsets, whole numbers from 0 to 2^63 - 1 are needed"),
    "en-offsets-order": (w({"data_offsets": "[8,0]"}), "tensor 'w' has data_offsets 8 to 0: the end is before the beginning"),
    "en-offsets-size": (w({"data_offsets": "[0,4]"}), "tensor 'w' has data_offsets 0 to 4, 4 bytes, but its shape [2] of F32 needs 8"),
    "en-offsets-most": (w({"data_offsets": "[9223372036854775799,9223372036854775807]"}), "tensor 'w' has data_offsets 9223372036854775799 to 9223372036854775807: behind the end of any file"),
    "en-escape": (header('{"\\u001b[31m":3}'), "tensor '\\x1b[31m' is an integer, an object with dtype, shape and data_offsets is needed"),
    "en-notes": (header('{"__metadata__":[]}'), "__metadata__ is an array, an object of strings is needed"),
    "en-note": (header('{"__metadata__":{"a":"b","c":{}}}'), "'c' in __metadata__ is an object, a string is needed"),
    # Where the data lies.
    "da-cut": (safetensors(good_header(), good_data()[:-1]), f"tensor 'b' ends at byte {GOOD + 30} but the file has {GOOD + 29}"),
    "da-surplus": (safetensors(good_header(), good_data() + b"xy"), f"2 surplus bytes behind the last tensor 'b', which ends at byte {GOOD + 30}"),
    "da-overlap": (pair_of(0, 4, 3, 7), f"tensor 'b' begins at byte {PAIR + 3}, inside tensor 'a' (bytes {PAIR} to {PAIR + 4}): they overlap"),
    "da-same": (pair_of(0, 4, 0, 4), f"tensor 'b' begins at byte {PAIR}, inside tensor 'a' (bytes {PAIR} to {PAIR + 4}): they overlap"),
    "da-hole": (pair_of(0, 4, 5, 9), f"a hole of 1 byte between the tensors 'a' and 'b' (bytes {PAIR + 4} to {PAIR + 5}); tensors must not leave holes"),
    "da-first": (pair_of(2, 6, 6, 8), f"a hole of 2 bytes before the first tensor 'a' (bytes {PAIR} to {PAIR + 2}); tensors must not leave holes"),
    "da-none": (safetensors({}, b"xyz"), "3 surplus bytes behind the header, which ends at byte 10"),
}

ONE = safetensors({"a": entry("U8", [1], 0, 1)}, b"x")
TWO = safetensors({"b": entry("U8", [1], 0, 1)}, b"x")


def index(where, **more):
    return json.dumps({"weight_map": where, **more}).encode()


INDEX = "model.safetensors.index.json"
GOOD_SHARDS = {"config.json": CONFIG, "x-1.safetensors": ONE, "x-2.safetensors": TWO, INDEX: index({"a": "x-1.safetensors", "b": "x-2.safetensors"}, metadata={"total_size": 2})}

# name -> ({file: bytes or None for "take away"} over GOOD_SHARDS, message behind "quern: ")
FOLDERS = {
    "no-config": ({"config.json": None}, "no-config/config.json: No such file or directory"),
    "config-list": ({"config.json": b"[]"}, "config-list/config.json: is an array, an object is needed"),
    "config-cut": ({"config.json": b'{"a":'}, "config-cut/config.json: byte 5: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal"),
    "config-twice": ({"config.json": b'{"a":1,"a":2}'}, "config-twice/config.json: byte 10: key 'a' is given twice"),
    "config-large": ({"config.json": b"{}" + b" " * 1048575}, "config-large/config.json: has 1048577 bytes of JSON, at most 1048576 are read"),
    "index-map": ({INDEX: b"{}"}, f"index-map/{INDEX}: has no 'weight_map' with tensors in it"),
    "index-list": ({INDEX: b'{"weight_map":["x-1.safetensors"]}'}, f"index-list/{INDEX}: 'weight_map' is an array, an object is needed"),
    "index-kind": ({INDEX: b'{"weight_map":{"a":1}}'}, f"index-kind/{INDEX}: 'weight_map.a' is an integer, a file's name is needed"),
    "index-slash": ({INDEX: index({"a": "../x-1.safetensors"})}, f"index-slash/{INDEX}: tensor 'a' is said to be in '../x-1.safetensors', a plain name of a *.safetensors file beside the index is needed"),
    "index-root": ({INDEX: index({"a": "/etc/passwd"})}, f"index-root/{INDEX}: tensor 'a' is said to be in '/etc/passwd', a plain name of a *.safetensors file beside the index is needed"),
    "index-dots": ({INDEX: index({"a": ".."})}, f"index-dots/{INDEX}: tensor 'a' is said to be in '..', a plain name of a *.safetensors file beside the index is needed"),
    "index-nul": ({INDEX: b'{"weight_map":{"a":"x\\u0000.safetensors"}}'}, f"index-nul/{INDEX}: tensor 'a' is said to be in 'x\\x00.safetensors', a plain name of a *.safetensors file beside the index is needed"),
    "index-bin": ({INDEX: index({"a": "x-1.bin"})}, f"index-bin/{INDEX}: tensor 'a' is said to be in 'x-1.bin', a plain name of a *.safetensors file beside the index is needed"),
    "index-twice": ({INDEX: b'{"weight_map":{"a":"x-1.safetensors","a":"x-2.safetensors"}}'}, f"index-twice/{INDEX}: byte 40: key 'a' is given twice"),
    "index-cut": ({INDEX: b'{"weight_map":{"a"'}, f"index-cut/{INDEX}: byte 18: syntax error while parsing object separator - unexpected end of input; expected ':'"),
    "shard-missing": ({"x-2.safetensors": None}, f"shard-missing/x-2.safetensors: is missing, {INDEX} names it"),
    "shard-lacks": ({INDEX: index({"a": "x-1.safetensors", "b": "x-2.safetensors", "c": "x-2.safetensors"})}, f"shard-lacks/x-2.safetensors: tensor 'c' is missing, {INDEX} says it is there"),
    "shard-more": ({INDEX: index({"b": "x-2.safetensors", "zz": "x-1.safetensors"})}, f"shard-more/x-1.safetensors: tensor 'a' is there, {INDEX} does not list it"),
    "shard-other": ({INDEX: index({"a": "x-2.safetensors", "b": "x-1.safetensors"})}, f"shard-other/x-2.safetensors: tensor 'a' is missing, {INDEX} says it is there"),
    "shard-cut": ({"x-2.safetensors": TWO[:-1]}, f"shard-cut/x-2.safetensors: tensor 'b' ends at byte {len(TWO)} but the file has {len(TWO) - 1}"),
    "no-index": ({INDEX: None}, f"no-index: has 2 *.safetensors files (x-1.safetensors, ...) but no {INDEX}, which says what is in which"),
    "none": ({INDEX: None, "x-1.safetensors": None, "x-2.safetensors": None}, "none: has no *.safetensors file"),
    "torch": ({INDEX: None, "x-1.safetensors": None, "x-2.safetensors": None, "pytorch_model.bin": b"PK"}, "torch: has no *.safetensors file; 'pytorch_model.bin' looks like PyTorch's: convert it to safetensors"),
    "gguf": ({INDEX: None, "x-1.safetensors": None, "x-2.safetensors": None, "m.gguf": b"GGUF"}, "gguf: has no *.safetensors file; to use 'm.gguf' name the file itself"),
}
