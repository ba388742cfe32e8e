#!/usr/bin/env python3
"""tests/tokenizer/recorded.py QUERN — tokenizers of every stage, model and form against ids that other programs gave: recorded.json.
recorded.py --record MODULES writes recorded.json anew, with npm's tokenizers in the folder MODULES and python3-sentencepiece."""
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "files")]
from make import added, field, sentencepiece

RECORDED = os.path.join(HERE, "recorded.json")
TEXTS = ["Hello world, it's 12345 !", "  two  blanks\n\tand lines \n", "Ünïcödé e\u0301 n\u0303o \u212b \ufb01 Straße İ", "你好世界 ひらカー 한국어 हि", "😀👨\u200d👩 ½²Ⅷ ٣٤", "abab aab <s> ba [MASK] .", "\u00a0\u3000x\u2028\u200by\u00ad\x01z",
         "hello helloab hell 1a2b", "", " ", "¿Qué? «no» don't I'M", "ab<sep>cd <x> aaaaaaaa"]


def alphabet():
    """GPT-2's: the bytes 0 to 255 as characters."""
    plain = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    more = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(more)) for byte in range(256)]


def stage(kind, **keys):
    return {"type": kind, **keys}


def cuts(*stages):
    return stage("Sequence", pretokenizers=list(stages))


def normal(*stages):
    return stage("Sequence", normalizers=list(stages))


def split(pattern, behavior="Isolated", invert=False):
    return stage("Split", pattern=pattern, behavior=behavior, invert=invert)


def level(regex=True, prefix=False):
    return stage("ByteLevel", add_prefix_space=prefix, trim_offsets=True, use_regex=regex)


def blanks(scheme="always", cut=True):
    return stage("Metaspace", replacement="\u2581", prepend_scheme=scheme, split=cut)


def whole(model, normalizer=None, pre=None, post=None, tokens=()):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [{"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, **token} for token in tokens],
            "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": post, "decoder": None, "model": model}


def bpe(tokens, merges, **keys):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, **keys,
            "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges}


def grown(letters, pairs, **keys):
    """Letters and what pairs of tokens make of them."""
    tokens = list(letters)
    for left, right in pairs:
        tokens.append(left + right.removeprefix(keys.get("continuing_subword_prefix") or ""))
    return bpe(tokens, [f"{left} {right}" for left, right in pairs], **keys)


def charsmap(rules):
    """A precompiled_charsmap: a double array as darts-clone lays one out, each node's children in a block of their own."""
    texts, values = b"", {}
    for key, becomes in rules.items():
        values[key] = len(texts)
        texts += becomes + b"\0"
    units, base = {}, [0]

    def place(prefix, at):
        labels = sorted({key[len(prefix)] for key in rules if key.startswith(prefix) and len(key) > len(prefix)})
        leaf = prefix in rules
        base[0] += 256
        offset = base[0] ^ at
        units[at] = units.get(at, 0) | offset << 10 | (256 if leaf else 0)
        if leaf:
            units[base[0]] = values[prefix] | 1 << 31
        children = [(label, base[0] ^ label) for label in labels]
        for label, child in children:
            units[child] = label
        for label, child in children:
            place(prefix + bytes([label]), child)

    place(b"", 0)
    tree = [units.get(at, 0) for at in range(max(units) + 256)]
    return struct.pack(f"<I{len(tree)}I", 4 * len(tree), *tree) + texts


MAP = charsmap({b"\t": b" ", b"\n": b" ", "\u3000".encode(): b" ", "\u00a0".encode(): b" ", "½".encode(): "1⁄2".encode(), "ﬁ".encode(): b"fi", "\u200b".encode(): b"", b"ab": b"X", b"n": b"d", "n\u0303".encode(): "é".encode(), b"aba": b"Y", "e\u0301".encode(): "é".encode()})
PAIRS = [("a", "b"), ("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "h"), ("Ġ", "w"), ("1", "2"), ("3", "4"), ("ab", "ab"), ("Ġ", "Ġ"), ("Ã", "©"), ("H", "e"), ("ä", "½"), ("a", "a"), ("aa", "aa"), ("'", "s"), ("Â", "²"), ("Ġ", "a"), ("n", "d")]
SPACED = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + list("\u2581abcdehlnorstwx123.,é你")
SPACED_PAIRS = [("\u2581", "a"), ("a", "b"), ("\u2581a", "b"), ("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("\u2581", "hello"), ("\u2581", "\u2581"), ("1", "2"), ("a", "a"), ("\u2581", "h")]
WORDS = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "hell", "##o", "##ab", "world", "a", "##b", "ab", "##a", ",", "!", "1", "##2", "##3", "unicode", "e", "x", "it", "'", "s", "你", "好", "straße", "strasse", "Hello", ".", "two", "blanks", "[", "]", "mask"]
PIECES = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)] + [(text, -2 - 0.37 * (i * 7 % 11), 1) for i, text in enumerate("\u2581 a b c d e h l o n r s t w x X Y 1 2 3 . , é 你 fi \u2581a ab \u2581ab he ll hello \u2581hello aa aaaa \u2581\u2581 12 lo wor ld \u2581w".split(" "))]
SPECIAL = [added(i, text) for i, text in enumerate(["<unk>", "<s>", "</s>"])]
AROUND = {text: {"id": text, "ids": [i], "tokens": [text]} for i, text in ((1, "[CLS]"), (2, "[SEP]"), (3, "[MASK]"))}


def json_cases():
    bytes_model = grown(alphabet(), PAIRS)
    spaces = stage("Replace", pattern={"String": " "}, content="\u2581")
    pre = {"gpt2": level(), "prefix": level(prefix=True), "falcon": cuts(stage("Punctuation", behavior="Contiguous"), level(), stage("Digits", individual_digits=False), split({"Regex": "[0-9][0-9][0-9]"})),
           "digits": cuts(stage("Digits", individual_digits=True), level()), "whitespace": cuts(stage("Whitespace"), level(False)), "whitespace-split": cuts(stage("WhitespaceSplit"), level(False, True)),
           "delimiter": cuts(stage("CharDelimiterSplit", delimiter="l"), level(False)), "bert-cuts": cuts(stage("BertPreTokenizer"), level()), "scripts": cuts(stage("UnicodeScripts"), level(False)),
           "spelled": cuts(level(False), split({"String": "Ġ"}, "MergedWithNext"))}
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        pre["split-" + behavior] = cuts(split({"Regex": "[ab]"}, behavior), level(False))
        pre["inverted-" + behavior] = cuts(split({"Regex": "[ab]"}, behavior, True), level(False))
        pre["punctuation-" + behavior] = cuts(stage("Punctuation", behavior=behavior), level(False))
    for name, stages in pre.items():
        yield name, whole(bytes_model, pre=stages)
    forms = {"nfc": stage("NFC"), "nfd": stage("NFD"), "nfkc": stage("NFKC"), "nfkd": stage("NFKD"), "lower": stage("Lowercase"), "accents": normal(stage("NFD"), stage("StripAccents")),
             "strip": stage("Strip", strip_left=True, strip_right=True), "strip-right": stage("Strip", strip_left=False, strip_right=True), "prepend": stage("Prepend", prepend="ab"), "replace": stage("Replace", pattern={"Regex": "\\s+"}, content=" "),
             "nmt": stage("Nmt"), "bert-form": stage("BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True),
             "bert-cased": stage("BertNormalizer", clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False), "charsmap": stage("Precompiled", precompiled_charsmap=base64.b64encode(MAP).decode())}
    for name, form in forms.items():
        yield "form-" + name, whole(bytes_model, form, level())
    yield "form-bytes", whole(bytes_model, stage("ByteLevel"))
    yield "ignore-merges", whole({**bytes_model, "ignore_merges": True, "merges": bytes_model["merges"][:3]}, pre=level())
    clip = grown(alphabet() + [letter + "</w>" for letter in alphabet()] + ["<|end|>"], [("a", "b</w>"), ("a", "b"), ("l", "o</w>")], unk_token="<|end|>", end_of_word_suffix="</w>")
    yield "clip", whole(clip, normal(stage("NFC"), stage("Replace", pattern={"Regex": "\\s+"}, content=" "), stage("Lowercase")), cuts(split({"Regex": "[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}, "Removed", True), level(False)))
    letters = "abehlo12.,!"
    subword = grown(["[UNK]", *letters, *["##" + letter for letter in letters]], [("a", "##b"), ("##a", "##b"), ("h", "##e"), ("##l", "##l")], unk_token="[UNK]", continuing_subword_prefix="##")
    yield "subwords", whole(subword, pre=stage("Whitespace"))
    yield "fused-unknown", whole({**subword, "fuse_unk": True}, pre=stage("WhitespaceSplit"))
    llama = grown(SPACED, SPACED_PAIRS, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    template = stage("TemplateProcessing", single=[{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"SpecialToken": {"id": "[MASK]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                     pair=[{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], special_tokens=AROUND)
    for name, form, stages in (("llama2", normal(stage("Prepend", prepend="\u2581"), spaces), None), ("first", None, blanks("first", False)), ("always", None, blanks()), ("never", stage("NFKC"), blanks("never")),
                               ("gemma", spaces, split({"String": " "}, "MergedWithPrevious")), ("words-blanks", None, cuts(stage("WhitespaceSplit"), blanks())), ("sign-first", None, cuts(stage("Punctuation", behavior="Isolated"), blanks("first"))),
                               ("blanks-digits", None, cuts(blanks(), stage("Digits", individual_digits=True)))):
        yield name, whole(llama, form, stages, tokens=SPECIAL)
    yield "no-bytes", whole({**llama, "byte_fallback": False, "fuse_unk": False}, normal(stage("NFC"), stage("Prepend", prepend="\u2581"), spaces), tokens=SPECIAL)
    vocab = {word: i for i, word in enumerate(WORDS)}
    control = [added(i, WORDS[i]) for i in range(4)]
    words = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab}
    uncased = stage("BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    yield "bert", whole(words, uncased, stage("BertPreTokenizer"), template, control)
    yield "bert-pair", whole(words, {**uncased, "lowercase": False}, stage("BertPreTokenizer"), stage("BertProcessing", sep=["[SEP]", 2], cls=["[CLS]", 1]), control)
    yield "short-words", whole({**words, "max_input_chars_per_word": 6}, uncased, stage("Whitespace"), None, control)
    yield "word-level", whole({"type": "WordLevel", "unk_token": "[UNK]", "vocab": vocab}, uncased, stage("Whitespace"), stage("RobertaProcessing", sep=["[SEP]", 2], cls=["[CLS]", 1], trim_offsets=True, add_prefix_space=False), control)
    sums = {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [[text, score] for text, score, _ in PIECES]}
    yield "unigram", whole(sums, forms["charsmap"], cuts(stage("WhitespaceSplit"), blanks()), None, SPECIAL)
    yield "unigram-t5", whole(sums, normal(forms["charsmap"], stage("Replace", pattern={"Regex": " {2,}"}, content="\u2581")), blanks(), None, SPECIAL)
    yield "unigram-bytes", whole({**sums, "byte_fallback": True, "vocab": sums["vocab"][:3] + [[f"<0x{byte:02X}>", 0.0] for byte in range(256)] + sums["vocab"][3:]}, None, blanks("first", False), None, SPECIAL)


def piece_cases():
    """tokenizer.model: a name and its bytes."""
    fallback = PIECES[:3] + [(f"<0x{byte:02X}>", 0, 6) for byte in range(256)] + PIECES[3:]
    kept = PIECES + [("<sep>", 0, 4), ("cd", 0, 4), ("ba", 0, 4)]
    off = field(3, 0)
    for name, kind in (("uni", 1), ("bpe", 2)):
        yield name, sentencepiece(PIECES, kind, normalizer=field(2, MAP))
        yield name + "-plain", sentencepiece(PIECES, kind, normalizer=off + field(4, 0))
        yield name + "-kept-blanks", sentencepiece(PIECES, kind, normalizer=field(4, 0))
        yield name + "-bytes", sentencepiece(fallback, kind, field(35, 1), field(4, 0))
        yield name + "-suffix", sentencepiece(PIECES, kind, field(24, 1))
        yield name + "-user", sentencepiece(kept, kind, normalizer=field(2, MAP))
        yield name + "-unescaped", sentencepiece([(text.replace("\u2581", "_"), score, kind_of) for text, score, kind_of in PIECES], kind, normalizer=field(5, 0))


NODE = """
const {Tokenizer} = require(process.argv[1] + '/tokenizers');
(async () => {
  const [files, texts] = JSON.parse(require('fs').readFileSync(0));
  const all = {};
  for (const [name, file] of files) {
    const tokenizer = Tokenizer.fromString(file);
    all[name] = [];
    for (const text of texts) try { all[name].push(Array.from((await tokenizer.encode(text)).getIds())); } catch (error) { all[name].push(null); }
  }
  console.log(JSON.stringify(all));
})();
"""


def record(modules):
    import sentencepiece as peer
    asked = json.dumps([[[name, json.dumps(file)] for name, file in json_cases()], TEXTS])
    answer = json.loads(subprocess.run(["node", "-e", NODE, modules], input=asked, capture_output=True, text=True, check=True).stdout)
    for name, model in piece_cases():
        answer["model/" + name] = [peer.SentencePieceProcessor(model_proto=model).encode(text) for text in TEXTS]
    with open(RECORDED, "w") as file:
        file.write("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(ids, separators=(',', ':'))}" for name, ids in answer.items()) + "\n}\n")


def run(quern):
    from checking import Checks, write
    check = Checks(stops=False)
    wanted = json.load(open(RECORDED))
    files = [(name, "tokenizer.json", json.dumps(file).encode()) for name, file in json_cases()] + [("model/" + name, "tokenizer.model", model) for name, model in piece_cases()]
    check(sorted(wanted) == sorted(name for name, _, _ in files), "recorded.json has other cases than this file: --record writes it")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, file, content in files:
            os.makedirs(name)
            write(os.path.join(name, file), content)
            for text, ids in zip(TEXTS, wanted[name]):
                arguments = [quern, "tokenize", "-m", name, "--ids"] + (["--no-bos"] if name.startswith("model/") else ["--special"])
                done = subprocess.run(arguments + [text], capture_output=True, text=True)
                got = [int(word) for word in done.stdout.split(",") if word.strip()] if done.returncode == 0 else None
                check(got == ids, f"{name}: {text!r} is {got if got is not None else done.stderr}, {ids} was recorded")
    check.finish(500)


if __name__ == "__main__":
    record(os.path.abspath(sys.argv[2])) if sys.argv[1] == "--record" else run(os.path.abspath(sys.argv[1]))
