"""tests/model/models.py — small random Llamas as GGUF files and folders, right, or changed in one place. Used by the tests beside it."""
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "files"))
from make import F32, I32, Q8_0, Tensor, entry, gguf, pair, safetensors


def floats(rng, count, spread, middle=0.0):
    return struct.pack(f"<{count}f", *[middle + rng.uniform(-spread, spread) for _ in range(count)])


def vocabulary(size):
    """SentencePiece-style: <unk>, <s>, </s>, bytes, a blank, then letters and pairs of them."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + ["\u2581"] + [chr(97 + i) for i in range(26)]
    kinds = [2, 3, 3] + [6] * 256 + [1] * 27
    for first in range(26):
        for second in range(26):
            tokens.append(chr(97 + first) + chr(97 + second))
            kinds.append(1)
    return tokens[:size], kinds[:size]


class Model:
    """A Llama: `pairs` by key as (kind, content), `tensors` by name as (dims innermost first, kind, bytes)."""

    def __init__(self, width=16, hidden=24, layers=1, heads=2, kv_heads=1, vocab=300, context=16, seed=1, arch="llama"):
        rng = random.Random(seed)
        self.sizes = dict(width=width, hidden=hidden, layers=layers, heads=heads, kv_heads=kv_heads, vocab=vocab, context=context)
        tokens, kinds = vocabulary(vocab)
        self.pairs = {
            "general.architecture": ("str", arch), f"{arch}.block_count": ("u32", layers), f"{arch}.context_length": ("u32", context), f"{arch}.embedding_length": ("u32", width),
            f"{arch}.feed_forward_length": ("u32", hidden), f"{arch}.attention.head_count": ("u32", heads), f"{arch}.attention.head_count_kv": ("u32", kv_heads),
            f"{arch}.attention.layer_norm_rms_epsilon": ("f32", 1e-5), "tokenizer.ggml.model": ("str", "llama"), "tokenizer.ggml.tokens": ("arr", ("str", tokens)),
            "tokenizer.ggml.scores": ("arr", ("f32", [-float(i) for i in range(len(tokens))])), "tokenizer.ggml.token_type": ("arr", ("i32", kinds)),
            "tokenizer.ggml.bos_token_id": ("u32", 1), "tokenizer.ggml.eos_token_id": ("u32", 2)}
        size = width // heads
        self.tensors = {}

        def matrix(name, out, inner, spread=None):
            self.tensors[name] = ([inner, out], F32, floats(rng, out * inner, (3 / inner) ** 0.5 if spread is None else spread))

        matrix("token_embd.weight", vocab, width, 1)
        matrix("output.weight", vocab, width)
        self.tensors["output_norm.weight"] = ([width], F32, floats(rng, width, 0.25, 1))
        for i in range(layers):
            for name in ("attn_norm", "ffn_norm"):
                self.tensors[f"blk.{i}.{name}.weight"] = ([width], F32, floats(rng, width, 0.25, 1))
            for name, out, inner in (("attn_q", heads * size, width), ("attn_k", kv_heads * size, width), ("attn_v", kv_heads * size, width), ("attn_output", width, heads * size),
                                     ("ffn_gate", hidden, width), ("ffn_up", hidden, width), ("ffn_down", width, hidden)):
                matrix(f"blk.{i}.{name}.weight", out, inner)

    def set(self, key, kind, content):
        self.pairs[key] = (kind, content)
        return self

    def without(self, *names):
        for name in names:
            (self.pairs if name in self.pairs else self.tensors).pop(name)
        return self

    def tensor(self, name, dims, kind=F32, data=None):
        count = 1
        for dim in dims:
            count *= dim
        self.tensors[name] = (list(dims), kind, bytes(4 * count) if data is None else data)
        return self

    def spoiled(self, name, index, value):
        """One value of a tensor replaced."""
        dims, kind, data = self.tensors[name]
        self.tensors[name] = (dims, kind, data[:4 * index] + struct.pack("<f", value) + data[4 * index + 4:])
        return self

    def gguf(self):
        return gguf(pairs=[(key, kind, content) for key, (kind, content) in self.pairs.items()], tensors=[Tensor(name, *rest) for name, rest in self.tensors.items()])


def gpt2(width=16, layers=1, heads=2, vocab=300, context=16, seed=1):
    """A GPT-2 of the same kind, its head tied."""
    model = Model(width=width, hidden=4 * width, layers=layers, heads=heads, vocab=vocab, context=context, arch="gpt2")
    model.pairs.pop("gpt2.attention.head_count_kv")
    model.set("gpt2.attention.layer_norm_epsilon", *model.pairs.pop("gpt2.attention.layer_norm_rms_epsilon"))
    rng = random.Random(seed)
    shapes = {"token_embd.weight": [width, vocab], "position_embd.weight": [width, context], "output_norm.weight": [width], "output_norm.bias": [width]}
    for i in range(layers):
        for name, dims in (("attn_norm", [width]), ("ffn_norm", [width]), ("attn_qkv", [width, 3 * width]), ("attn_output", [width, width]), ("ffn_up", [width, 4 * width]), ("ffn_down", [4 * width, width])):
            shapes.update({f"blk.{i}.{name}.weight": dims, f"blk.{i}.{name}.bias": dims[-1:]})
    model.tensors = {}
    for name, dims in shapes.items():
        count = dims[0] * (dims[1] if len(dims) > 1 else 1)
        model.tensors[name] = (dims, F32, floats(rng, count, (3 / dims[0]) ** 0.5, 1 if "norm.weight" in name else 0))
    return model


NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def hf_name(name):
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{NAMES[parts[2]]}.{parts[3]}"
    return f"{NAMES[parts[0]]}.{parts[1]}"


def hf_folder(path, model, config=None, rename=None):
    """Writes config.json and model.safetensors; `config` changes keys (None removes), `rename` names (None leaves out)."""
    s = model.sizes
    keys = {"architectures": ["LlamaForCausalLM"], "vocab_size": s["vocab"], "hidden_size": s["width"], "intermediate_size": s["hidden"], "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"],
            "num_key_value_heads": s["kv_heads"], "max_position_embeddings": s["context"], "rms_norm_eps": 1e-5, **(config or {})}
    header, data = {}, b""
    for name, (dims, _, content) in model.tensors.items():
        own = (rename or {}).get(name, hf_name(name))
        if own is None:
            continue
        header[own] = entry("F32", dims[::-1], len(data), len(data) + len(content))
        data += content
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as file:
        json.dump({key: value for key, value in keys.items() if value is not None}, file)
    with open(os.path.join(path, "model.safetensors"), "wb") as file:
        file.write(safetensors(header, data))
