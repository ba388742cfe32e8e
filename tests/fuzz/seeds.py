"""tests/fuzz/seeds.py TARGET FOLDER — starting points for fuzzing whole models and saved sessions. Used by run."""
import json
import os
import struct
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "..", "files"), os.path.join(here, "..", "model")]
from make import F16, F32, I32, Q8_0, Tensor, entry, gguf
from models import Model, gpt2, hf_name

DASHES = b"\n---\n"
SIZES = {"vocab_size": 32, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
BYTES = {"F32": 4, "F16": 2, "I32": 4}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 32, "beta_slow": 1, "attention_factor": 1.1, "truncate": False}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
LONG = {"type": "longrope", "short_factor": [1.0] * 6, "long_factor": [2.0] * 6}
# What each reads beside the sizes.
DECODERS = {
    "LlamaForCausalLM": {"rope_scaling": LLAMA3, "tie_word_embeddings": True}, "MistralForCausalLM": {"sliding_window": 16}, "MixtralForCausalLM": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "Qwen2ForCausalLM": {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 0}, "GPT2LMHeadModel": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "n_ctx": 64},
    "GemmaForCausalLM": {"head_dim": 16}, "Gemma2ForCausalLM": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 16, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    "Gemma3ForCausalLM": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 16, "rope_local_base_freq": 10000, "layer_types": ["sliding_attention"]},
    "GPTNeoXForCausalLM": {"rotary_pct": 0.25, "use_parallel_residual": True, "rotary_emb_base": 10000}, "Phi3ForCausalLM": {"rope_scaling": LONG, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 32},
    "GraniteForCausalLM": {"embedding_multiplier": 12.0, "attention_multiplier": 0.25, "residual_multiplier": 0.5, "logits_scaling": 8.0}, "Olmo2ForCausalLM": {"rope_parameters": {"rope_theta": 10000, "rope_type": "default"}},
    "Olmo3ForCausalLM": {"rope_scaling": YARN, "sliding_window": 16, "layer_types": ["full_attention"]}, "Qwen3ForCausalLM": {"head_dim": 16}, "SmolLM3ForCausalLM": {"no_rope_layers": [1], "no_rope_layer_interval": 4},
    "Qwen3MoeForCausalLM": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []},
    "StableLmForCausalLM": {"partial_rotary_factor": 0.25, "use_parallel_residual": True, "use_qkv_bias": True, "layer_norm_eps": 1e-5}, "Starcoder2ForCausalLM": {"sliding_window": 16, "use_bias": True, "norm_epsilon": 1e-5},
}
EXPERTS = {"expert_count": 4, "expert_used_count": 2}
WINDOW = {"attention.sliding_window": 16}
LAYER_NORMS = ("bert", "gptneox", "stablelm", "starcoder2")
GGUF = {"bert": {"pooling_type": 2}, "gemma": {}, "gemma2": WINDOW, "gemma3": WINDOW, "gptneox": {"rope.dimension_count": 8}, "gpt-oss": {**EXPERTS, **WINDOW}, "granite": {}, "olmo2": {}, "phi3": WINDOW, "qwen2": {}, "qwen3": {},
        "qwen3moe": EXPERTS, "smollm3": {}, "stablelm": {"rope.dimension_count": 4}, "starcoder2": WINDOW}
BERT = {"architectures": ["BertModel"], **{key: value for key, value in SIZES.items() if key != "num_key_value_heads"}, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
PARTS = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense"]


def folder(config, tensors=(), modules=None, pooling=None, data=b"\x00\x3c\x08"):
    """What FuzzModel takes for one; tensors are (name, dtype, shape)."""
    header, end = {}, 0
    for name, dtype, shape in tensors:
        count = BYTES[dtype]
        for extent in shape:
            count *= extent
        header[name], end = entry(dtype, shape, end, end + count), end + count
    parts = [config, modules, pooling, header]
    return DASHES.join([b"" if each is None else json.dumps(each, separators=(",", ":")).encode() for each in parts] + [data])


def llama(linears=None):
    """A whole one; `linears` makes the tensors of one, (base, out, in)."""
    for name, (dims, _, _) in Model(width=32, hidden=32, vocab=32, heads=2, kv_heads=1).tensors.items():
        own, shape = hf_name(name), dims[::-1]
        if linears and own.endswith("proj.weight"):
            yield from linears(own[:-len("weight")], *shape)
        else:
            yield own, "F32", shape


def bert():
    yield from [(f"embeddings.{name}.weight", "F32", [rows, 32]) for name, rows in (("word_embeddings", 32), ("position_embeddings", 64), ("token_type_embeddings", 2))]
    for name in ["embeddings.LayerNorm"] + ["encoder.layer.0." + each for each in PARTS + ["attention.output.LayerNorm", "output.LayerNorm"]]:
        yield name + ".weight", "F32", [32] if "LayerNorm" in name else [32, 32]
        yield name + ".bias", "F32", [32]


def gptq(base, out, inner):
    return [(base + "qweight", "I32", [inner // 8, out]), (base + "qzeros", "I32", [inner // 32, out // 8]), (base + "scales", "F16", [inner // 32, out])]


def awq(base, out, inner):
    return [(base + "qweight", "I32", [inner, out // 8]), (base + "qzeros", "I32", [inner // 32, out // 8]), (base + "scales", "F16", [inner // 32, out])]


def neox():
    """A GGUF whose fused biases lie in blocks."""
    keys = [("general.architecture", "str", "gptneox"), *[("gptneox." + key, "u32", value) for key, value in (("context_length", 64), ("embedding_length", 32), ("block_count", 1), ("feed_forward_length", 32),
            ("attention.head_count", 1), ("rope.dimension_count", 8), ("vocab_size", 32))], ("gptneox.attention.layer_norm_epsilon", "f32", 1e-5)]
    names = [("token_embd.weight", [32, 32]), ("output.weight", [32, 32]), ("blk.0.attn_qkv.weight", [32, 96])]
    names += [(f"blk.0.{name}.weight", [32, 32]) for name in ("attn_output", "ffn_up", "ffn_down")]
    biases = [(f"blk.0.{name}.bias", [32]) for name in ("attn_norm", "ffn_norm", "attn_output", "ffn_up", "ffn_down")] + [("output_norm.bias", [32])]
    norms = [("output_norm.weight", [32]), ("blk.0.attn_norm.weight", [32]), ("blk.0.ffn_norm.weight", [32])]
    tensors = [Tensor(name, dims, F32, bytes(4 * dims[0] * (dims[1] if len(dims) > 1 else 1))) for name, dims in names + norms + biases]
    return gguf(pairs=keys, tensors=tensors + [Tensor("blk.0.attn_qkv.bias", [96], Q8_0, bytes(102))])


def model_seeds():
    small = dict(width=16, hidden=16, vocab=12)
    yield Model(**small).gguf()
    yield Model(**small).tensor("rope_freqs.weight", [4], I32).set("llama.rope.scaling.type", "str", "yarn").set("llama.rope.scaling.factor", "f32", 2.0).gguf()
    yield gpt2(vocab=12).gguf()
    yield neox()
    for arch, more in GGUF.items():
        own = Model(**small, arch=arch).set(f"{arch}.vocab_size", "u32", 12)
        if arch in LAYER_NORMS:
            own.set(f"{arch}.attention.layer_norm_epsilon", *own.pairs.pop(f"{arch}.attention.layer_norm_rms_epsilon"))
        if arch == "bert":
            own.without("bert.attention.head_count_kv")
        for key, value in more.items():
            own.set(f"{arch}.{key}", "u32", value)
        yield own.gguf()
    for name, more in DECODERS.items():
        yield folder({"architectures": [name], **({"vocab_size": 32} if "n_embd" in more else SIZES), **more})
    yield folder({"architectures": ["LlamaForCausalLM"], **SIZES}, llama())
    yield folder(BERT, bert(), [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}], {"word_embedding_dimension": 32, "pooling_mode_cls_token": True})
    yield folder({**BERT, "architectures": ["XLMRobertaModel"], "pad_token_id": 1}, bert(), None, {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False})
    quant = {"bits": 4, "group_size": 32}
    for linears, config in ((gptq, {"quant_method": "gptq", "sym": True, "desc_act": False}), (gptq, {"quant_method": "gptq", "checkpoint_format": "gptq_v2"}), (awq, {"quant_method": "awq", "version": "gemm", "zero_point": True})):
        for data in (b"\x00\x3c", b"\x77" * 64, bytes(range(7, 250, 13))):
            yield folder({"architectures": ["LlamaForCausalLM"], **SIZES, "quantization_config": {**quant, **config}}, llama(linears), data=data)


def session_seeds():
    """Of 0, 3 and 700 ids, whose sums are set right: the layer with a window keeps 20 rows of 32 bytes."""
    for ids in (0, 3, 700):
        head = f"ids {ids}\nnote 4\n" + f"rows {32 * min(ids, 20)}\n" * 2 + f"rows {32 * ids}\n" * 2 + "end\n"
        yield b"\x01" + head.encode() + struct.pack("<i", 3) * ids + b"note" + bytes(64 * (min(ids, 20) + ids))
    yield b"\x00quern-session 1\nmodel llama\n"


def adapter_seeds():
    """A GGUF file, and folders with linears, a table and a head."""
    keys = [("general.architecture", "str", "llama"), ("general.type", "str", "adapter"), ("adapter.type", "str", "lora"), ("adapter.lora.alpha", "f32", 8.0)]
    linears = [("blk.0.attn_q.weight", 16, 16), ("blk.0.attn_k.weight", 8, 16), ("blk.0.ffn_down.weight", 16, 32)]
    pairs = [("token_embd.weight.lora_a", [2, 12]), ("token_embd.weight.lora_b", [2, 16])] + [(f"{name}.lora_{side}", dims) for name, out, inner in linears for side, dims in (("a", [inner, 2]), ("b", [2, out]))]
    yield gguf(pairs=keys, tensors=[Tensor(name, dims, F32, bytes(4 * dims[0] * dims[1])) for name, dims in pairs])
    layer, named = "base_model.model.model.layers.0.", "base_model.model."
    tensors = [(f"{layer}{module}.lora_{side}.weight", shape) for module, out, inner in (("self_attn.q_proj", 16, 16), ("self_attn.k_proj", 8, 16), ("mlp.down_proj", 16, 32)) for side, shape in (("A", [2, inner]), ("B", [out, 2]))]
    tensors += [(named + "model.embed_tokens.lora_embedding_A", [2, 12]), (named + "model.embed_tokens.lora_embedding_B", [16, 2])]
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", "target_modules": ["q_proj"]}
    for first, more, head in ((b"0", {"alpha_pattern": {"mlp.down_proj": 3}, "use_rslora": True}, False), (b"1", {"init_lora_weights": "gaussian", "modules_to_save": ["lm_head"]}, True), (b"1", {"use_dora": True}, False)):
        header, end = {}, 0
        for name, shape in tensors + [(named + "lm_head.weight", [12, 16])] * head:
            header[name], end = entry("F32", shape, end, end + 4 * shape[0] * shape[1]), end + 4 * shape[0] * shape[1]
        yield first + json.dumps({**config, **more}).encode() + DASHES + json.dumps(header).encode()


if __name__ == "__main__":
    os.makedirs(sys.argv[2], exist_ok=True)
    for number, seed in enumerate({"adapter": adapter_seeds, "model": model_seeds, "session": session_seeds}[sys.argv[1]]()):
        with open(os.path.join(sys.argv[2], f"seed{number}"), "wb") as file:
            file.write(seed)
