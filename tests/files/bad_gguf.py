"""tests/files/bad_gguf.py — GGUF files that are wrong in one way each, and the whole message for it."""
import struct

from make import F16, F32, Q4_0, Q4_K, Tensor, floats, gguf, pair, string, two

BIG = 1 << 62


def with_pair(*extra, **more):
    return gguf(pairs=list(extra), tensors=[], **more)


def one(dims=(8,), kind=F32, data=None, **more):
    return gguf(pairs=[], tensors=[Tensor("a", list(dims), kind, floats(8) if data is None else data, **more)])


def split(number, count, tensors, total=2, arch=True):
    pairs = [("general.architecture", "str", "llama")] if arch else []
    return gguf(pairs=pairs + [("split.no", "u16", number), ("split.count", "u16", count), ("split.tensors.count", "i32", total)], tensors=tensors)


def t(name, offset=None, dims=(8,), data=None):
    return Tensor(name, list(dims), F32, floats(8) if data is None else data, offset)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

# name -> (bytes, message behind "quern: NAME: ")
CASES = {
    # What it is instead.
    "lfs.gguf": (LFS, "is a Git LFS pointer of a file of 12345 bytes, not the file itself: `git lfs pull` fetches it"),
    "page.gguf": (b"\n<!DOCTYPE HTML>\n<html>404</html>", "is an HTML page, not a model: look at it to see what the server said"),
    "page2.gguf": (b"<html><body>login</body></html>", "is an HTML page, not a model: look at it to see what the server said"),
    "torch.gguf": (b"PK\x03\x04" + bytes(60), "is a zip archive, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"),
    "pickle.gguf": (b"\x80\x02\x8a\x0a" + bytes(60), "is a Python pickle, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"),
    "ggml.gguf": (b"lmgg" + bytes(60), "is a ggml file without version, of the time before GGUF: convert it to GGUF"),
    "ggmf.gguf": (b"fmgg" + bytes(60), "is a ggmf file, of the time before GGUF: convert it to GGUF"),
    "ggjt.gguf": (b"tjgg\3\0\0\0" + bytes(60), "is a ggjt file, of the time before GGUF: convert it to GGUF"),
    "ggla.gguf": (b"algg" + bytes(60), "is a ggla (LoRA) file, of the time before GGUF: convert it to GGUF"),
    "renamed.gguf": (struct.pack("<Q", 2) + b"{}", "is a safetensors file: name the folder that holds it with its config.json"),
    "packed.gguf": (b"\x1f\x8b\x08" + bytes(60), "is compressed with gzip: unpack it first"),
    "json.gguf": (b'{"a": 1}', "is JSON text"),
    "noise.gguf": (b"\x1b[2J" + bytes(60), "begins with '\\x1b[2J', a GGUF file begins with 'GGUF'"),
    "short.gguf": (b"GG", "begins with 'GG', a GGUF file begins with 'GGUF'"),
    "empty.gguf": (b"", "is empty"),
    # The header.
    "v1.gguf": (gguf(version=1), "is GGUF version 1, versions 2 and 3 are read: convert it again"),
    "v4.gguf": (gguf(version=4), "is GGUF version 4, versions 2 and 3 are read"),
    "v0.gguf": (gguf(version=0), "is GGUF version 0, versions 2 and 3 are read"),
    "big-endian.gguf": (b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + bytes(60), "is a big-endian GGUF file, little-endian is needed"),
    "magic-only.gguf": (b"GGUF", "the file ends at byte 4, inside the header of 24 bytes"),
    "header-cut.gguf": (gguf()[:23], "the file ends at byte 23, inside the header of 24 bytes"),
    "tensor-count.gguf": (with_pair(tensor_count=1 << 40), "the header has 1099511627776 tensors, the 8 bytes that are left hold at most 0"),
    "pair-count.gguf": (with_pair(pair_count=1 << 60), "the header has 1152921504606846976 key/values, the 0 bytes that are left hold at most 0"),
    "many-pairs.gguf": (with_pair(pair_count=70000, tail=bytes(70000 * 13)), "the header has 70000 key/values, at most 65536 are read"),
    "many-tensors.gguf": (with_pair(tensor_count=140000, tail=bytes(140000 * 32)), "the header has 140000 tensors, at most 131072 are read"),
    "negative-count.gguf": (with_pair(tensor_count=(1 << 64) - 1), "the header has 18446744073709551615 tensors, the 8 bytes that are left hold at most 0"),
    # Key/values.
    "key-length.gguf": (gguf(pairs=[struct.pack("<Q", 1 << 40) + bytes(60)], tensors=[]), "key/value 1 of 1 has a key of 1099511627776 bytes, at most 65535 are legal"),
    "key-left.gguf": (gguf(pairs=[struct.pack("<Q", 100) + bytes(60)], tensors=[]), "key/value 1 of 1 has a key of 100 bytes, 60 are left in the file"),
    "key-cut.gguf": (with_pair(string("abcde") + b"\0"), "the file ends at byte 38, inside metadata 'abcde'"),
    "value-type.gguf": (with_pair(pair("k", 13, bytes(8))), "metadata 'k' has the unknown value type 13, 0 to 12 are known"),
    "value-escape.gguf": (with_pair(pair(b"\x1b]0;x\x07\xff", 99, bytes(8))), "metadata '\\x1b]0;x\\x07\\xff' has the unknown value type 99, 0 to 12 are known"),
    "value-cut.gguf": (with_pair(pair("k", 10, bytes(7))), "the file ends at byte 44, inside metadata 'k'"),
    "string-length.gguf": (with_pair(pair("k", 8, struct.pack("<Q", BIG))), "metadata 'k' has a string of 4611686018427387904 bytes, 0 are left in the file"),
    "bool.gguf": (with_pair(("k", "bool", 2)), "metadata 'k' is a bool of value 2, 0 or 1 is needed"),
    "bools.gguf": (with_pair(("k", "arr", ("bool", [0, 1, 255]))), "metadata 'k' has a bool of value 255, 0 or 1 is needed"),
    "duplicate-key.gguf": (with_pair(("k", "u8", 1), ("j", "u8", 1), ("k", "str", "x")), "metadata 'k' is there twice"),
    "array-numbers.gguf": (with_pair(pair("k", 9, struct.pack("<IQ", 4, 1 << 61))), "metadata 'k' has 2305843009213693952 numbers, the 0 bytes that are left hold at most 0"),
    "array-strings.gguf": (with_pair(pair("k", 9, struct.pack("<IQ", 8, 3) + bytes(16))), "metadata 'k' has 3 strings, the 16 bytes that are left hold at most 2"),
    "array-string.gguf": (with_pair(pair("k", 9, struct.pack("<IQQQ", 8, 2, 0, 9) + b"12345678")), "metadata 'k' has a string of 9 bytes, 8 are left in the file"),
    "array-type.gguf": (with_pair(pair("k", 9, struct.pack("<IQ", 77, 1) + bytes(16))), "metadata 'k' is an array of the unknown value type 77, 0 to 12 are known"),
    "array-arrays.gguf": (with_pair(pair("k", 9, struct.pack("<IQ", 9, 9) + bytes(99))), "metadata 'k' has 9 arrays, the 99 bytes that are left hold at most 8"),
    "array-deep.gguf": (with_pair(pair("k", 9, struct.pack("<IQ", 9, 1) * 100 + bytes(99))), "metadata 'k' has more than 4 arrays inside each other"),
    "array-inner.gguf": (with_pair(pair("k", 9, struct.pack("<IQIQ", 9, 1, 5, BIG))), "metadata 'k' has 4611686018427387904 numbers, the 0 bytes that are left hold at most 0"),
    "alignment-kind.gguf": (with_pair(("general.alignment", "str", "32")), "metadata 'general.alignment' is a string, an integer is needed"),
    "alignment-zero.gguf": (with_pair(("general.alignment", "u32", 0)), "metadata 'general.alignment' is 0, 8 to 1073741824 are legal"),
    "alignment-four.gguf": (with_pair(("general.alignment", "u32", 4)), "metadata 'general.alignment' is 4, 8 to 1073741824 are legal"),
    "alignment-odd.gguf": (with_pair(("general.alignment", "u32", 24)), "metadata 'general.alignment' is 24, a power of two is needed"),
    "alignment-negative.gguf": (with_pair(("general.alignment", "i32", -32)), "metadata 'general.alignment' is -32, 8 to 1073741824 are legal"),
    # Tensor infos.
    "name-length.gguf": (gguf(pairs=[], tensors=[Tensor("x" * 65, [8], F32, floats(8))]), "tensor info 1 of 1 has a name of 65 bytes, at most 64 are legal"),
    "dims-none.gguf": (gguf(pairs=[], tensors=[Tensor("a", [], F32, floats(8))]), "tensor 'a' has 0 dimensions, 1 to 4 are legal"),
    "dims-five.gguf": (one(dims=[8, 1, 1, 1, 1]), "tensor 'a' has 5 dimensions, 1 to 4 are legal"),
    "dims-huge.gguf": (one(count=0xffffffff), "tensor 'a' has 4294967295 dimensions, 1 to 4 are legal"),
    "dimension.gguf": (one(dims=[1 << 63]), "tensor 'a' has the dimension 9223372036854775808, whole numbers from 0 to 2^63 - 1 are needed"),
    "product.gguf": (one(dims=[1 << 32, 1 << 32]), "tensor 'a' has the shape [4294967296, 4294967296]: more than 2^63 elements"),
    "product-zero.gguf": (one(dims=[1 << 32, 1 << 32, 0]), "tensor 'a' has the shape [0, 4294967296, 4294967296]: more than 2^63 elements"),
    "bytes.gguf": (one(dims=[1 << 61, 2]), "tensor 'a' has the shape [2, 2305843009213693952]: more than 2^63 bytes"),
    "type.gguf": (one(kind=1000), "tensor 'a' has the unknown type 1000"),
    "type-removed.gguf": (one(kind=4), "tensor 'a' has the type 4 (q4_2), which the format no longer has"),
    "type-repacked.gguf": (one(kind=31), "tensor 'a' has the type 31 (q4_0_4_4), which the format no longer has"),
    "block.gguf": (one(dims=[48], kind=Q4_0, data=bytes(27)), "tensor 'a' has rows of 48 elements, q4_0 has blocks of 32"),
    "block-k.gguf": (one(dims=[128, 2], kind=Q4_K, data=bytes(144)), "tensor 'a' has rows of 128 elements, q4_K has blocks of 256"),
    "offset-odd.gguf": (one(offset=4), "tensor 'a' has the offset 4, which is no multiple of the alignment 32"),
    "offset-far.gguf": (one(offset=1 << 50), "tensor 'a' has the offset 1125899906842624, the file has 57 bytes"),
    "offset-most.gguf": (one(offset=(1 << 64) - 32), "tensor 'a' has the offset 18446744073709551584, the file has 57 bytes"),
    "infos-cut.gguf": (gguf(pairs=[], tensors=two())[:97], "the file ends at byte 97, inside tensor 'b'"),
    "info-cut.gguf": (gguf(pairs=[], tensors=[Tensor("a" * 33, [0])], tensor_count=2), "the file ends at byte 89, inside tensor info 2 of 2"),
    "duplicate.gguf": (gguf(pairs=[], tensors=[t("x"), t("a"), t("a")]), "tensor 'a' is there twice"),
    # Where the data lies.
    "cut.gguf": (gguf(pairs=[], tensors=[t("a"), t("b")])[:-1], "tensor 'b' ends at byte 160 but the file has 159"),
    "no-data.gguf": (gguf(pairs=[], tensors=[t("a")])[:57], "tensor 'a' ends at byte 96 but the file has 57"),
    "long.gguf": (one(dims=[1 << 40]), "tensor 'a' ends at byte 4398046511168 but the file has 96"),
    "overlap.gguf": (gguf(pairs=[], tensors=[t("a", 0, (16,), floats(16)), t("b", 32)]), "tensor 'b' begins at byte 128, inside tensor 'a' (bytes 96 to 160): they overlap"),
    "same-place.gguf": (gguf(pairs=[], tensors=[t("a", 0), t("b", 0)]), "tensor 'b' begins at byte 96, inside tensor 'a' (bytes 96 to 128): they overlap"),
    "hole.gguf": (gguf(pairs=[], tensors=[t("a", 0), t("b", 64)]), "a hole of 32 bytes between the tensors 'a' and 'b' (bytes 128 to 160); tensors must not leave holes"),
    "hole-first.gguf": (gguf(pairs=[], tensors=[t("a", 32)]), "a hole of 32 bytes before the first tensor 'a' (bytes 64 to 96); tensors must not leave holes"),
    "surplus.gguf": (gguf(pairs=[], tensors=[t("a")], tail=b"x"), "1 surplus byte behind the last tensor 'a', which ends at byte 96"),
    "surplus-page.gguf": (gguf(pairs=[], tensors=[Tensor("h", [3], F16, bytes(6))], tail=bytes(4096)), "4096 surplus bytes behind the last tensor 'h', which ends at byte 70"),
    "surplus-header.gguf": (with_pair(tail=bytes(9)), "1 surplus byte behind the header, which ends at byte 32"),
    # Of a split model.
    "split-second.gguf": (split(1, 3, [t("a")]), "is file 2 of 3 of a split model: name the first, *-00001-of-00003.gguf"),
    "split-name.gguf": (split(0, 3, [t("a")]), "is the first of 3 files of a split model: its name must end in '-00001-of-00003.gguf'"),
    "split-kind.gguf": (with_pair(("split.count", "str", "3")), "metadata 'split.count' is a string, an integer is needed"),
    "split-range.gguf": (with_pair(("split.count", "u32", 4000000000)), "metadata 'split.count' is 4000000000, 0 to 99999 are legal"),
}

# name -> ({file: bytes}, the file to open, whole message behind "quern: ")
SPLITS = {
    "missing": ({"m-00001-of-00003.gguf": split(0, 3, [t("a")]), "m-00002-of-00003.gguf": split(1, 3, [t("b")])}, "m-00001-of-00003.gguf",
                "m-00003-of-00003.gguf: is missing: file 3 of the 3 that 'm-00001-of-00003.gguf' is split into"),
    "number": ({"m-00001-of-00002.gguf": split(0, 2, [t("a")]), "m-00002-of-00002.gguf": split(0, 2, [t("b")])}, "m-00001-of-00002.gguf",
               "m-00002-of-00002.gguf: metadata 'split.no' is 0, 1 is needed in file 2 of 2"),
    "count": ({"m-00001-of-00002.gguf": split(0, 2, [t("a")]), "m-00002-of-00002.gguf": split(1, 3, [t("b")])}, "m-00001-of-00002.gguf",
              "m-00002-of-00002.gguf: metadata 'split.count' is 3, in the first file it is 2"),
    "tensors": ({"m-00001-of-00002.gguf": split(0, 2, [t("a")], 3), "m-00002-of-00002.gguf": split(1, 2, [t("b")], 3)}, "m-00001-of-00002.gguf",
                "m-00001-of-00002.gguf: metadata 'split.tensors.count' is 3, the 2 files have 2 tensors together"),
    "duplicate": ({"m-00001-of-00002.gguf": split(0, 2, [t("a")]), "m-00002-of-00002.gguf": split(1, 2, [t("a")])}, "m-00001-of-00002.gguf",
                  "m-00002-of-00002.gguf: tensor 'a' is in 'm-00001-of-00002.gguf' too"),
    "inner": ({"m-00001-of-00002.gguf": split(0, 2, [t("a")]), "m-00002-of-00002.gguf": split(1, 2, [t("b")])[:-1]}, "m-00001-of-00002.gguf",
              "m-00002-of-00002.gguf: tensor 'b' ends at byte 224 but the file has 223"),
    "not-split": ({"m-00001-of-00002.gguf": split(0, 2, [t("a")]), "m-00002-of-00002.gguf": gguf(pairs=[], tensors=[t("b")])}, "m-00001-of-00002.gguf",
                  "m-00002-of-00002.gguf: metadata 'split.count' is 1, in the first file it is 2"),
}


def good_split():
    return {"m-00001-of-00002.gguf": split(0, 2, [t("a")]), "m-00002-of-00002.gguf": split(1, 2, [t("b")], arch=False)}
