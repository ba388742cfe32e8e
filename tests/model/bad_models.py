"""tests/model/bad_models.py — models whose parts do not fit each other, and the whole message for each. Run by bad_models_run.py."""
from models import F32, I32, Q8_0, Model, gpt2

# What the program knows, in the order that it says it.
GGUF_NAMES = ("llama qwen2 gpt2 bert deci gemma gemma2 gemma3 gptneox gpt-oss granite granitemoe olmo2 olmoe openelm phi3 qwen2moe qwen3 qwen3moe smollm3 stablelm starcoder2")
HF_NAMES = ("LlamaForCausalLM LLaMAForCausalLM MistralForCausalLM Qwen2ForCausalLM MixtralForCausalLM GPT2LMHeadModel GPT2Model BertModel RobertaModel "
            "XLMRobertaModel BertForMaskedLM RobertaForMaskedLM XLMRobertaForMaskedLM DeciLMForCausalLM GemmaForCausalLM Gemma2ForCausalLM Gemma3ForCausalLM GPTNeoXForCausalLM GptOssForCausalLM GraniteForCausalLM "
            "GraniteMoeForCausalLM GraniteMoeSharedForCausalLM Olmo2ForCausalLM Olmo3ForCausalLM OlmoeForCausalLM OpenELMForCausalLM Phi3ForCausalLM "
            "Qwen2MoeForCausalLM Qwen3ForCausalLM Qwen3MoeForCausalLM SmolLM3ForCausalLM StableLmForCausalLM Starcoder2ForCausalLM")

NAN = float("nan")
KEY = "llama."
Q, K, V, OUT = (f"blk.0.attn_{name}.weight" for name in ("q", "k", "v", "output"))
GATE, UP, DOWN = (f"blk.0.ffn_{name}.weight" for name in ("gate", "up", "down"))


def small(**sizes):
    return Model(**sizes)


def with_key(key, kind, content, **sizes):
    return small(**sizes).set(key if "." in key and key.startswith(("general", "tokenizer")) else KEY + key, kind, content)


# name -> (model, message behind "quern: NAME.gguf: ")
CASES = {
    # Heads and widths.
    "heads": (with_key("attention.head_count", "u32", 3), "'llama.attention.head_count' is 3, a divisor of llama.embedding_length 16 is needed"),
    "kv-heads": (small(heads=4, kv_heads=2).set(KEY + "attention.head_count_kv", "u32", 3), "heads 4 is not a multiple of kv heads 3"),
    "kv-more": (with_key("attention.head_count_kv", "u32", 4), "heads 2 is not a multiple of kv heads 4"),
    "kv-zero": (with_key("attention.head_count_kv", "u32", 0), "metadata 'llama.attention.head_count_kv' is 0, 1 to 65536 are legal"),
    "heads-zero": (with_key("attention.head_count", "u32", 0), "metadata 'llama.attention.head_count' is 0, 1 to 65536 are legal"),
    "odd-head": (small(width=6, heads=2), "a head of 3 elements is odd: rotary positions turn pairs"),
    "heads-wide": (with_key("attention.key_length", "u32", 4), "tensor 'blk.0.attn_q.weight' is [16, 16], [8, 16] is needed"),
    "values": (with_key("attention.value_length", "u32", 4), "'llama.attention.value_length' is 4, the key length 8 is needed"),
    "part-turned": (with_key("rope.dimension_count", "u32", 4), "'llama.rope.dimension_count' is 4, the head's 8 is needed"),
    "width": (with_key("embedding_length", "u32", 32), "tensor 'token_embd.weight' is [300, 16], [300, 32] is needed"),
    "width-zero": (with_key("embedding_length", "u32", 0), "metadata 'llama.embedding_length' is 0, 1 to 16777216 are legal"),
    "hidden": (with_key("feed_forward_length", "u32", 48), "tensor 'blk.0.ffn_gate.weight' is [24, 16], [48, 16] is needed"),
    "sizes-few": (small(layers=2).set(KEY + "feed_forward_length", "arr", ("u32", [24])), "'llama.feed_forward_length' is an array of 1, one of 2, the layers, is needed"),
    "sizes-many": (with_key("attention.head_count_kv", "arr", ("i32", [2, 2])), "'llama.attention.head_count_kv' is an array of 2, one of 1, the layers, is needed"),
    "sizes-zero": (small(layers=2).set(KEY + "attention.head_count", "arr", ("u32", [2, 0])), "'llama.attention.head_count' is 0 at 1, 1 to 65536 is needed"),
    "sizes-negative": (small(layers=2).set(KEY + "attention.head_count", "arr", ("i32", [2, -4])), "'llama.attention.head_count' is -4 at 1, 1 to 65536 is needed"),
    "sizes-floats": (small(layers=2).set(KEY + "feed_forward_length", "arr", ("f32", [24.0, 24.0])), "metadata 'llama.feed_forward_length' is an array of floats, an array of integers is needed"),
    "sizes-other": (small(layers=2).set(KEY + "feed_forward_length", "arr", ("u32", [24, 48])), "tensor 'blk.1.ffn_gate.weight' is [24, 16], [48, 16] is needed"),
    "sizes-kv": (small(layers=2, heads=4, kv_heads=4).set(KEY + "attention.head_count_kv", "arr", ("u32", [4, 3])), "layer 1: heads 4 is not a multiple of kv heads 3"),
    "context-zero": (with_key("context_length", "u32", 0), "metadata 'llama.context_length' is 0, 1 to 16777216 are legal"),
    "context-huge": (with_key("context_length", "u64", 1 << 40), "metadata 'llama.context_length' is 1099511627776, 1 to 16777216 are legal"),
    "context-text": (with_key("context_length", "str", "16"), "metadata 'llama.context_length' is a string, an integer is needed"),
    # Layers and tensors.
    "layer": (with_key("block_count", "u32", 2), "tensor 'blk.1.attn_norm.weight' is missing"),
    "layer-more": (small(layers=2).set(KEY + "block_count", "u32", 1), "tensors that the architecture has no use for: blk.1.attn_k.weight, blk.1.attn_norm.weight, blk.1.attn_output.weight and 6 more"),
    "layer-gap": (small(layers=3).without(*[name for name in small(layers=3).tensors if name.startswith("blk.1.")]), "tensor 'blk.1.attn_norm.weight' is missing"),
    "layers-zero": (with_key("block_count", "u32", 0), "metadata 'llama.block_count' is 0, 1 to 4096 are legal"),
    "layers-many": (with_key("block_count", "u32", 5000), "metadata 'llama.block_count' is 5000, 1 to 4096 are legal"),
    "surplus": (small().tensor("blk.0.attn_extra.weight", [16]), "a tensor that the architecture has no use for: blk.0.attn_extra.weight"),
    "surplus-name": (small().tensor("x\x1b[2J", [16]), "a tensor that the architecture has no use for: x\\x1b[2J"),
    "positions": (small().tensor("position_embd.weight", [16, 16]), "a tensor that the architecture has no use for: position_embd.weight"),
    "up-bias": (small().tensor("blk.0.ffn_norm.bias", [16]), "a tensor that the architecture has no use for: blk.0.ffn_norm.bias"),
    "bias-shape": (small().tensor("blk.0.attn_q.bias", [8]), "tensor 'blk.0.attn_q.bias' is [8], [16] is needed"),
    "gate-bias": (small().tensor("blk.0.ffn_gate.bias", [16]), "tensor 'blk.0.ffn_gate.bias' is [16], [24] is needed"),
    # Which architecture.
    "unknown": (with_key("general.architecture", "str", "mamba"), f"'general.architecture' is 'mamba'; known: {GGUF_NAMES}"),
    "unnamed": (small().without("general.architecture"), "'general.architecture' is missing"),
    "named-badly": (with_key("general.architecture", "u32", 1), "metadata 'general.architecture' is an integer, a string is needed"),
    "other": (with_key("general.architecture", "str", "gpt2"), "'gpt2.block_count' is missing"),
    "attention-scale": (with_key("attention.scale", "f32", 0.5), "'llama.attention.scale' is 0.5, 0.353553, one over the root of the head's size, is needed"),
    "acausal": (with_key("attention.causal", "bool", False), "'llama.attention.causal' is false, true is needed"),
    "unheeded": (with_key("logit_scale", "f32", 0.5), "'llama.logit_scale' is 0.5, which nothing here heeds, so the result could be another; --ignore-key llama.logit_scale goes on without it"),
    "unheeded-yarn": (with_key("rope.scaling.yarn_beta_fast", "f32", 32.0), "'llama.rope.scaling.yarn_beta_fast' is 32, which nothing here heeds, so the result could be another; --ignore-key llama.rope.scaling.yarn_beta_fast goes on without it"),
    "adapter": (with_key("general.type", "str", "adapter"), "'general.type' is 'adapter', a part of a model: the model itself is needed"),
    "experts": (with_key("expert_count", "u32", 8), "'llama.expert_used_count' is missing"),
    "experts-many": (with_key("expert_count", "u32", 70000), "metadata 'llama.expert_count' is 70000, 0 to 65536 are legal"),
    "experts-used": (with_key("expert_count", "u32", 8).set(KEY + "expert_used_count", "u32", 9), "metadata 'llama.expert_used_count' is 9, 1 to 8 are legal"),
    "experts-none": (with_key("expert_count", "u32", 4).set(KEY + "expert_used_count", "u32", 2), "tensor 'blk.0.ffn_gate_inp.weight' is missing"),
    "experts-stack": (with_key("expert_count", "u32", 4).set(KEY + "expert_used_count", "u32", 2).tensor("blk.0.ffn_gate_inp.weight", [16, 4]).tensor("blk.0.ffn_gate_exps.weight", [16, 24, 3]), "tensor 'blk.0.ffn_gate_exps.weight' is [3, 24, 16], a first extent of 4 is needed"),
    "window-wide": (with_key("attention.sliding_window", "u64", 1 << 40), "metadata 'llama.attention.sliding_window' is 1099511627776, 0 to 2147483647 are legal"),
    # Rotary positions.
    "scaling-type": (with_key("rope.scaling.type", "str", "ntk"), "'llama.rope.scaling.type' is ntk, none, linear, llama3, yarn or longrope is needed"),
    "yarn-betas": (small().set(KEY + "rope.scaling.type", "str", "yarn").set(KEY + "rope.scaling.factor", "f32", 4.0).set(KEY + "rope.scaling.yarn_beta_slow", "f32", 64.0), "'llama.rope.scaling.beta_slow' is 64, a number above 0 and below beta_fast is needed"),
    "factor": (small().set(KEY + "rope.scaling.type", "str", "linear").set(KEY + "rope.scaling.factor", "f32", -1.0), "'llama.rope.scaling.factor' is -1, a number above 0 is needed"),
    "base": (with_key("rope.freq_base", "f32", 0.0), "'llama.rope.freq_base' is 0, a number above 0 is needed"),
    "base-nan": (with_key("rope.freq_base", "f32", NAN), "metadata 'llama.rope.freq_base' is nan, a finite number is needed"),
    "factors": (small().tensor("rope_freqs.weight", [8], F32), "tensor 'rope_freqs.weight' is [8], [4] is needed"),
    "factors-zero": (small().tensor("rope_freqs.weight", [4], F32), "tensor 'rope_freqs.weight' holds 0; factors above 0 are needed"),
    "factors-nan": (small().tensor("rope_freqs.weight", [4], F32, b"\0\0\x80\x3f" * 3 + b"\0\0\xc0\x7f"), "tensor 'rope_freqs.weight' holds nan; factors above 0 are needed"),
    "factors-whole": (small().tensor("rope_freqs.weight", [4], I32), "tensor 'rope_freqs.weight': i32 is known but cannot be converted to floats"),
    "fused-bias": (small(width=32, heads=1, kv_heads=1).without(Q, K, V).tensor("blk.0.attn_qkv.weight", [32, 96]).tensor("blk.0.attn_qkv.bias", [96], Q8_0, bytes(102)),
                   "tensor 'blk.0.attn_qkv.bias' is q8_0 of [96], whose blocks would have to be cut; f32, f16 or bf16 is needed"),
    # Numbers.
    "eps-zero": (with_key("attention.layer_norm_rms_epsilon", "f32", 0.0), "eps 0 is not above 0 and below 1"),
    "eps-tiny": (with_key("attention.layer_norm_rms_epsilon", "f64", 1e-60), "eps 0 is not above 0 and below 1"),
    "eps-negative": (with_key("attention.layer_norm_rms_epsilon", "f32", -1.0), "eps -1 is not above 0 and below 1"),
    "eps-nan": (with_key("attention.layer_norm_rms_epsilon", "f32", NAN), "metadata 'llama.attention.layer_norm_rms_epsilon' is nan, a finite number is needed"),
    "eps-inf": (with_key("attention.layer_norm_rms_epsilon", "f32", float("inf")), "metadata 'llama.attention.layer_norm_rms_epsilon' is inf, a finite number is needed"),
    "eps-huge": (with_key("attention.layer_norm_rms_epsilon", "f64", 1e60), "eps inf is not above 0 and below 1"),
    "eps-missing": (small().without(KEY + "attention.layer_norm_rms_epsilon"), "'llama.attention.layer_norm_rms_epsilon' is missing"),
    # The vocabulary.
    "vocab": (with_key("vocab_size", "u32", 299).without("tokenizer.ggml.tokens"), "tensor 'token_embd.weight' is [300, 16], [299, 16] is needed"),
    "tokens": (with_key("tokenizer.ggml.tokens", "arr", ("str", ["a"] * 299)), "tensor 'token_embd.weight' is [300, 16], [299, 16] is needed"),
    "no-tokens": (small().without("tokenizer.ggml.tokens"), "'llama.vocab_size' is missing, it or 'tokenizer.ggml.tokens' is needed"),
    "vocab-zero": (with_key("vocab_size", "u32", 0), "metadata 'llama.vocab_size' is 0, 1 to 16777216 are legal"),
    # Types.
    "integers": (small().tensor("blk.0.ffn_up.weight", [16, 24], 26), "tensor 'blk.0.ffn_up.weight': i32 is known but cannot be converted to floats"),
    "integers-embedding": (small().tensor("token_embd.weight", [16, 300], 26), "tensor 'token_embd.weight': i32 is known but cannot be converted to floats"),
    "no-name": (small().tensor("", [300]), "a tensor that the architecture has no use for: ''"),
}
CASES.update({
    "gpt2-heads": (gpt2().set("gpt2.attention.head_count", "u32", 3), "width 16 is not a multiple of heads 3"),
    "gpt2-layer": (gpt2().set("gpt2.block_count", "u32", 2), "tensor 'blk.1.attn_norm.weight' is missing"),
    "gpt2-context": (gpt2().set("gpt2.context_length", "u32", 17), "tensor 'position_embd.weight' is [16, 16], [17, 16] is needed"),
    "gpt2-eps": (gpt2().set("gpt2.attention.layer_norm_epsilon", "f32", 0.0), "eps 0 is not above 0 and below 1"),
    "gpt2-surplus": (gpt2().tensor("blk.0.ffn_gate.weight", [16, 64]), "a tensor that the architecture has no use for: blk.0.ffn_gate.weight"),
})
for key in ("block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count"):
    CASES["no-" + key] = (small().without(KEY + key), f"'llama.{key}' is missing")

# Every kind of tensor missing, of another width, with its dimensions swapped, and a dimension too many.
OPTIONAL = {"output.weight"} | {name for name in gpt2().tensors if name.endswith(".bias") and "norm" not in name}  # the head may be tied, linears go without a bias
for family, make in (("", small), ("gpt2-", gpt2)):
    for name, rest in make().tensors.items():
        shape = rest[0][::-1]
        if name not in OPTIONAL:
            CASES[f"{family}no-{name}"] = (make().without(name), f"tensor '{name}' is missing")
        for kind, wrong in (("wider", shape[:-1] + [shape[-1] + 1]), ("swapped", shape[::-1]), ("deeper", [1] + shape)):
            if wrong != shape:
                CASES[f"{family}{kind}-{name}"] = (make().tensor(name, wrong[::-1]), f"tensor '{name}' is {wrong}, {shape} is needed")

# name -> (changes of config.json, tensors renamed or (None) left out, message behind "quern: NAME")
FOLDERS = {
    "architecture": ({"architectures": ["MambaForCausalLM"]}, {}, f"/config.json: 'architectures' is 'MambaForCausalLM'; known: {HF_NAMES}"),
    "architectures": ({"architectures": []}, {}, f"/config.json: 'architectures' is no list of names; known: {HF_NAMES}"),
    "act": ({"hidden_act": "gelu"}, {}, "/config.json: 'hidden_act' is gelu, silu or swish is needed"),
    "scaling-type": ({"rope_scaling": {"rope_type": "ntk", "factor": 4.0}}, {}, "/config.json: rope_scaling: 'rope_type' is ntk, none, default, dynamic, linear, llama3, yarn or longrope is needed"),
    "long-factors": ({"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0, -1.0]}}, {}, "/config.json: rope_scaling: 'long_factor' is -1, a list of numbers above 0 is needed"),
    "long-few": ({"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}, {}, "/config.json: 'rope_scaling.short_factor, long_factor' is a list of 1, a list of 4, half of what is turned of a head, is needed"),
    "layer-count": ({"layer_types": ["full_attention", "full_attention"]}, {}, "/config.json: 'layer_types' is a list of 2, a list of 1, one of each layer, is needed"),
    "scaling-text": ({"rope_scaling": "linear"}, {}, "/config.json: 'rope_scaling' is linear, an object or null is needed"),
    "scaling-list": ({"rope_parameters": [4.0]}, {}, "/config.json: 'rope_parameters' is an array, an object or null is needed"),
    "scaling-number": ({"rope_scaling": 4.0}, {}, "/config.json: 'rope_scaling' is a number, an object or null is needed"),
    "scaling-typeless": ({"rope_scaling": {"factor": 4.0}}, {}, "/config.json: rope_scaling: 'rope_type' is missing, default, dynamic, linear, llama3, yarn or longrope is needed"),
    "scaling-factor": ({"rope_scaling": {"type": "linear"}}, {}, "/config.json: rope_scaling: 'factor' is missing"),
    "scaling-original": ({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}}, {}, "/config.json: rope_scaling: 'original_max_position_embeddings' is missing"),
    "scaling-key": ({"rope_scaling": {"type": "linear", "factor": 4, "attention_factor": 0.5}}, {}, "/config.json: 'rope_scaling.attention_factor' is 0.5, which nothing here heeds, so the result could be another; --ignore-key rope_scaling.attention_factor goes on without it"),
    "scaling-layers": ({"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}, {}, "/config.json: 'rope_parameters.full_attention' is an object, which nothing here heeds, so the result could be another; --ignore-key rope_parameters.full_attention goes on without it"),
    "model-type": ({"model_type": "gemma"}, {}, "/config.json: 'model_type' is 'gemma' but 'architectures' is LlamaForCausalLM, whose type is llama"),
    "type-alone": ({"architectures": None, "model_type": "mamba"}, {}, f"/config.json: 'model_type' is 'mamba' without 'architectures'; known: {HF_NAMES}"),
    "bitsandbytes": ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, {}, "/config.json: 'quantization_config' is 'bitsandbytes': weights packed so are not read; GPTQ and AWQ of 4 bits, MXFP4, plain *.safetensors and GGUF are"),
    "fp8": ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, {}, "/config.json: 'quantization_config' is 'fp8': weights packed so are not read; GPTQ and AWQ of 4 bits, MXFP4, plain *.safetensors and GGUF are"),
    "gptq-bits": ({"quantization_config": {"quant_method": "gptq", "bits": 3}}, {}, "/config.json: 'quantization_config.bits' is 3, 4 is needed"),
    "gptq-parts": ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, {UP: "model.layers.0.mlp.up_proj.qweight"}, ": tensor 'model.layers.0.mlp.up_proj.qzeros' is missing, which goes with 'model.layers.0.mlp.up_proj.qweight'"),
    "mlx": ({"quantization": {"group_size": 64, "bits": 4}}, {}, "/config.json: 'quantization' is an object: weights packed so are not read; plain *.safetensors or GGUF are"),
    "awq-silent": ({}, {UP: "model.layers.0.mlp.up_proj.qweight"}, ": tensor 'model.layers.0.mlp.up_proj.qweight' is packed as GPTQ and AWQ do, but config.json has no 'quantization_config', which says how"),
    "layer-types": ({"layer_types": ["linear_attention"]}, {}, "/config.json: 'layer_types' is linear_attention, full_attention or sliding_attention is needed"),
    "multiplier": ({"embedding_multiplier": 12.0}, {}, "/config.json: 'embedding_multiplier' is 12, which nothing here heeds, so the result could be another; --ignore-key embedding_multiplier goes on without it"),
    "ropeless": ({"use_rope": False}, {}, "/config.json: 'use_rope' is false, which nothing here heeds, so the result could be another; --ignore-key use_rope goes on without it"),
    "frequencies": ({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 16}}, {}, "/config.json: 'rope_scaling.low_freq_factor' is 4, a number above 0 and below high_freq_factor is needed"),
    "kv": ({"num_key_value_heads": 3}, {}, ": heads 2 is not a multiple of kv heads 3"),
    "heads": ({"num_attention_heads": 3, "num_key_value_heads": 1}, {}, ": width 16 is not a multiple of heads 3"),
    "odd": ({"head_dim": 7}, {}, ": a head of 7 elements is odd: rotary positions turn pairs"),
    "head-dim": ({"head_dim": 4}, {}, ": tensor 'model.layers.0.self_attn.q_proj.weight' is [16, 16], [8, 16] is needed"),
    "eps": ({"rms_norm_eps": 0}, {}, ": eps 0 is not above 0 and below 1"),
    "context": ({"max_position_embeddings": 0}, {}, "/config.json: 'max_position_embeddings' is 0, whole numbers from 1 to 16777216 are legal"),
    "window": ({"architectures": ["MistralForCausalLM"], "sliding_window": 0}, {}, "/config.json: 'sliding_window' is 0, whole numbers from 1 to 2147483647 are legal"),
    "vocab": ({"vocab_size": 301}, {}, ": tensor 'model.embed_tokens.weight' is [300, 16], [301, 16] is needed"),
    "layers": ({"num_hidden_layers": 2}, {}, ": tensor 'model.layers.1.input_layernorm.weight' is missing"),
    "fraction": ({"hidden_size": 16.5}, {}, "/config.json: 'hidden_size' is 16.5, whole numbers from 1 to 16777216 are legal"),
    "name": ({}, {UP: "model.layers.0.mlp.up.weight"}, ": tensor 'model.layers.0.mlp.up_proj.weight' is missing"),
    "both-names": ({"tie_word_embeddings": True}, {"output.weight": "token_embd.weight"}, ": a tensor that the architecture has no use for: token_embd.weight"),
    "head-bias": ({}, {"output_norm.weight": "lm_head.bias"}, ": tensor 'model.norm.weight' is missing"),
    "head": ({"tie_word_embeddings": False}, {"output.weight": None}, ": tensor 'lm_head.weight' is missing"),
    "head-silent": ({}, {"output.weight": None}, ": tensor 'lm_head.weight' is missing"),
    "no-width": ({"hidden_size": None}, {}, "/config.json: 'hidden_size' is missing"),
    "base": ({"rope_theta": -1}, {}, "/config.json: 'rope_theta' is -1, a number above 0 is needed"),
}

# name -> (model, arguments in place of --ids 1, message behind "quern: "; FILE is the model). These pass the loading.
RUNS = {
    "id-large": (small(), ["--ids", "1,300"], "FILE: token 300 is outside its vocabulary of 300"),
    "id-huge": (small(), ["--ids", "2147483647"], "FILE: token 2147483647 is outside its vocabulary of 300"),
    "prompt-long": (small(), ["--ids", ",".join(["1"] * 17)], "the prompt has 17 tokens, the context 16"),
    "prompt-cut": (small(), ["--ids", "1,2,3,4,5", "-c", "4"], "the prompt has 5 tokens, the context 4"),
    "context": (small(), ["--ids", "1", "-c", "17"], "FILE: a context of 17 is asked for, the model was made for 16"),
    "surplus-token": (small().set(KEY + "vocab_size", "u32", 200).tensor("token_embd.weight", [16, 200]).tensor("output.weight", [16, 200]), ["--ids", "1,200"],
                      "FILE: token 200 is outside its vocabulary of 200"),
}
for name, index in (("token_embd.weight", 16 * 1 + 3), ("blk.0.attn_norm.weight", 0), (Q, 0), (K, 5), (V, 9), (OUT, 17), (GATE, 1), (UP, 2), (DOWN, 3), ("output_norm.weight", 15)):
    RUNS["nan-" + name] = (small().spoiled(name, index, NAN), ["--ids", "1,1"], "FILE: logits hold NaN at token 0; `quern info --check` says whether its weights are numbers")
RUNS["nan-output.weight"] = (small().spoiled("output.weight", 16 * 7, NAN), ["--ids", "1"], "FILE: logits hold NaN at token 7; `quern info --check` says whether its weights are numbers")
RUNS["inf-token_embd.weight"] = (small().spoiled("token_embd.weight", 16, float("inf")), ["--ids", "1"], "FILE: logits hold NaN at token 0; `quern info --check` says whether its weights are numbers")
