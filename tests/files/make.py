"""tests/files/make.py — builds model files byte by byte, right or wrong in any place. Used by run.py and by tests/fuzz/run."""
import base64
import json
import os
import struct
import sys

KINDS = {"u8": (0, "<B"), "i8": (1, "<b"), "u16": (2, "<H"), "i16": (3, "<h"), "u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"),
         "bool": (7, "<B"), "str": (8, None), "arr": (9, None), "u64": (10, "<Q"), "i64": (11, "<q"), "f64": (12, "<d")}
F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, I32, BF16 = 0, 1, 2, 8, 12, 14, 26, 30


def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, content):
    """The bytes of a value without its type; an array's content is (kind of elements, elements)."""
    if isinstance(content, bytes) and kind != "str":
        return content
    if kind == "str":
        return string(content)
    if kind == "arr":
        of, elements = content
        return struct.pack("<IQ", KINDS[of][0], len(elements)) + b"".join(value(of, element) for element in elements)
    return struct.pack(KINDS[kind][1], content)


def pair(key, kind, content):
    number = kind if isinstance(kind, int) else KINDS[kind][0]
    return string(key) + struct.pack("<I", number) + (content if isinstance(kind, int) else value(kind, content))


def up(number, to):
    return (number + to - 1) // to * to


class Tensor:
    """dims innermost first, as GGUF has them. offset None: behind the one before."""

    def __init__(self, name, dims, kind=F32, data=b"", offset=None, count=None):
        self.name, self.dims, self.kind, self.data, self.offset, self.count = name, dims, kind, data, offset, count


LLAMA = [("general.architecture", "str", "llama"), ("llama.context_length", "u32", 8), ("llama.embedding_length", "u32", 8),
         ("llama.block_count", "u32", 1), ("tokenizer.ggml.model", "str", "llama"), ("tokenizer.ggml.tokens", "arr", ("str", ["<s>", "a", ""]))]


def floats(count, first=0):
    return struct.pack(f"<{count}f", *[0.5 * (first + i) for i in range(count)])


def two():
    return [Tensor("a", [8, 4], F32, floats(32)), Tensor("b", [8], F32, floats(8))]


def gguf(pairs=None, tensors=None, magic=b"GGUF", version=3, tensor_count=None, pair_count=None, align=32, pad_last=True, tail=b""):
    pairs = LLAMA if pairs is None else pairs
    tensors = two() if tensors is None else tensors
    head = magic + struct.pack("<IQQ", version, len(tensors) if tensor_count is None else tensor_count, len(pairs) if pair_count is None else pair_count)
    head += b"".join(p if isinstance(p, bytes) else pair(*p) for p in pairs)
    place, data, infos = 0, {}, [head]
    for tensor in tensors:
        offset = place if tensor.offset is None else tensor.offset
        infos.append(string(tensor.name) + struct.pack("<I", len(tensor.dims) if tensor.count is None else tensor.count))
        infos += [struct.pack("<Q", d) for d in tensor.dims] + [struct.pack("<IQ", tensor.kind, offset)]
        data[offset if tensor.data else -len(data) - 1] = tensor.data
        place = up(offset + len(tensor.data), align)
    head, body = b"".join(infos), bytearray()
    for offset in sorted(k for k in data if k >= 0):
        if offset > 1 << 30:
            continue
        body += bytes(max(0, offset - len(body)))
        body[offset:offset + len(data[offset])] = data[offset]
    if pad_last:
        body += bytes(up(len(body), align) - len(body))
    if body:
        head += bytes(up(len(head), align) - len(head))
    return head + bytes(body) + tail


def safetensors(header, data=b"", length=None, pad=0):
    text = (header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()) + b" " * pad
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def good_header():
    return {"__metadata__": {"format": "pt"}, "w": entry("F32", [2, 3], 0, 24), "b": entry("F16", [3], 24, 30)}


def good_data():
    return floats(6) + bytes.fromhex("003c00bc0042")


def added(number, content, **flags):
    return {"id": number, "content": content, "special": True, **flags}


def tokenizer(tokens, merges, added_tokens=(), model=None, **stages):
    """A tokenizer.json."""
    vocab = {token: i for i, token in enumerate(tokens)}
    whole = {"added_tokens": list(added_tokens), "normalizer": None, "pre_tokenizer": None, "post_processor": None, **stages, "model": {"type": "BPE", **(model or {}), "vocab": vocab, "merges": merges}}
    return json.dumps(whole).encode()


def varint(value):
    return bytes([value & 0x7f | 0x80]) + varint(value >> 7) if value > 0x7f else bytes([value])


def field(number, value):
    """A field of a protocol buffer: bytes, a whole number or a float."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3 | 5) + struct.pack("<f", value) if isinstance(value, float) else varint(number << 3) + varint(value)


def sentencepiece(pieces, model_type=1, trainer=b"", normalizer=b""):
    """A tokenizer.model; a piece is a text, a score and a type."""
    message = b"".join(field(1, field(1, text.encode()) + field(2, float(score)) + field(3, kind)) for text, score, kind in pieces)
    return message + field(2, field(3, model_type) + trainer) + field(3, normalizer)


def model_seeds():
    """Tokenizers of all other types and forms."""
    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("\u2581", -2, 1), ("a", -3, 1), ("b", -3.5, 1), ("\u2581a", -2.5, 1), ("ab", -3.2, 1), ("<x>", 0, 4)]
    charsmap = struct.pack("<5I", 16, 1 << 10, 0, 0, 0) + b"x\0y\0"
    letters = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "##b": 4, "ab": 5, ".": 6, "##a": 7}
    stage = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    normal = {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()}, {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Nmt"},
                                                  {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Replace", "pattern": {"Regex": " +"}, "content": "\u2581"}]}
    cuts = {"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}, {"type": "Punctuation", "behavior": "MergedWithNext"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}, {"type": "Digits"}]}
    yield json.dumps({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": letters}, "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": stage}).encode()
    yield json.dumps({"model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": letters}, "pre_tokenizer": {"type": "Whitespace"}}).encode()
    yield json.dumps({"model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": [[text, score] for text, score, _ in pieces]}, "normalizer": normal, "pre_tokenizer": cuts}).encode()
    yield json.dumps({"model": {"type": "BPE", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "end_of_word_suffix": ".", "vocab": letters, "merges": ["a ##b"]}, "pre_tokenizer": {"type": "WhitespaceSplit"}}).encode()
    level = {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": True}, {"type": "Digits", "individual_digits": True}, {"type": "Split", "pattern": {"String": "\u0120"}, "behavior": "Removed"}]}
    yield tokenizer(["a", "b", "\u0120", "ab"], ["a b"], pre_tokenizer=level)
    dashes = b"\n---\n"
    yield b"form 1\n" + json.dumps({"a": 0, "b": 1, "ab": 2, "<s>": 3}).encode() + dashes + b'{"tokenizer_class": "CLIPTokenizer", "bos_token": "<s>"}' + dashes * 4 + b"#version: 0.2\na b\n" + dashes + b'{"<x>": 4}'
    yield b"form 2\n" + "\n".join(letters).encode() + dashes + b'{"do_lower_case": false, "added_tokens_decoder": {"8": {"content": "x", "special": true}}}'
    yield b"form 3\n" + sentencepiece(pieces, 1, field(35, 1), field(2, charsmap)) + dashes + b'{"tokenizer_class": "T5Tokenizer"}'
    yield b"form 3\n" + sentencepiece(pieces, 2, field(24, 1), field(3, 0) + field(4, 0)) + dashes * 6 + b'{"<y>": 9}'


def toml_seeds():
    """Every configuration file there is, behind the byte that says its kind, and text that no such file has."""
    configs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "configs")
    for kind, name in enumerate(["suites", "tune", "cpu", "models", "baselines"]):
        for file in sorted(os.listdir(os.path.join(configs, name))):
            if file.endswith(".toml"):
                with open(os.path.join(configs, name, file), "rb") as opened:
                    yield bytes([kind]) + opened.read()[:60000]
    odd = ["[(", "[", "[[", "a = [1, 2.5, true, 1979-05-27, 'x']", "a.b.c = 1\n[a.b]\nd = 2", "[space.matmul]\nmr = [0, 1.5, true, -1]\nnr = []",
           "[[op]]\ntext = 'add a=3 b=3'\nid = 3", "[[op]]\nop = 'matmul'\nm = 1\nn = [2]\nk = {}", "space = 3", "suite = []", '"' * 3, "a = " + "'" * 3]
    for kind in range(5):
        for text in odd:
            yield bytes([kind]) + text.encode()


def seeds(target, folder):
    """Starting points for fuzzing."""
    many = [(f"k.{kind}", kind, 1) for kind in KINDS if kind not in ("str", "arr")]
    arrays = [("a.n", "arr", ("i32", [1, 2])), ("a.a", "arr", ("arr", [("u8", [1]), ("str", ["x"])])), ("a.b", "arr", ("bool", [0, 1]))]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    llama2 = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    regex = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    split = {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}, {"type": "ByteLevel", "use_regex": False}]}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1]}}}
    spaced = ["<unk>", "<s>", "</s>", "<0xC3>", "\u2581", "a", "b", "\u2581a", "ab"]
    beside = b'\n---\n{"bos_token": "<s>", "eos_token": {"content": "b"}, "add_eos_token": true}\n---\n{"eos_token_id": [0, 1], "bos_token_id": 2}'
    all_seeds = {
        "tokenizer": [tokenizer(["a", "b", "\u0120", "ab", "\u0120a"], ["a b", "\u0120 a"], pre_tokenizer=byte_level),
                      tokenizer(["a", "<s>", "b", "ab", "1"], [["a", "b"]], [added(1, "<s>"), added(5, " x", special=False, lstrip=True, rstrip=True, single_word=True, normalized=True)], {"ignore_merges": True},
                                normalizer={"type": "NFC"}, pre_tokenizer=split, post_processor={"type": "Sequence", "processors": [byte_level, template]}) + beside,
                      tokenizer(spaced, ["\u2581 a", "a b"], [added(i, spaced[i]) for i in range(3)], {"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True}, normalizer=llama2, post_processor=template),
                      tokenizer(spaced, ["\u2581 a"], [], {"unk_token": "<unk>"}, pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True})] + list(model_seeds()),
        "prompt": [bytes([kind]) + text for kind in (0, 4, 9, 20, 22, 27) for text in (b"Hello, it's  12345\n\n\xc3\xa9e\xcc\x81 <s> <a>", b"\xff\xe2\x96\x81\xf0\x9f\xa6\x99\t aaaaaaaa")],
        "toml": list(toml_seeds()),
        "gguf": [gguf(), gguf(version=2), gguf(pairs=many + arrays), gguf(pairs=[("general.alignment", "u32", 64)], align=64), gguf(tensors=[]),
                 gguf(tensors=[Tensor("q", [32, 2], Q8_0, bytes(68)), Tensor("z", [0, 4]), Tensor("k", [256], Q4_K, bytes(144))]), b"GGUF\0\0\0\3", b"tjgg"],
        "safetensors": [safetensors(good_header(), good_data()), safetensors({}), safetensors({"s": entry("F64", [], 0, 8)}, bytes(8), pad=5),
                        safetensors({"\u00e9": entry("BF16", [0], 0, 0), "i": entry("I64", [1, 1], 0, 8)}, bytes(8)), safetensors(b'{"a":{"dtype":"F32"')],
    }
    os.makedirs(folder, exist_ok=True)
    for i, seed in enumerate(all_seeds[target]):
        with open(os.path.join(folder, f"seed{i}"), "wb") as file:
            file.write(seed)


if __name__ == "__main__":
    seeds(sys.argv[1], sys.argv[2])
