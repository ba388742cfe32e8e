// models/arch/KnownKeys.cpp — see KnownKeys.h.
#include "models/arch/KnownKeys.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// Of GGUF, behind "ARCH.": how tensors were rearranged, what only other uses or other programs read.
static constexpr std::string_view kAlwaysHarmlessGguf[] = {"tensor_data_layout",
                                                           "pooling_type",
                                                           "rope.scaling.finetuned",
                                                           "rope.scaling.original_context_length",
                                                           "attention.group_norm_epsilon",
                                                           "attention.group_norm_groups",
                                                           "classifier.output_labels",
                                                           "expert_used_count",
                                                           "vocab_size"};

/// Of config.json: training, other tasks than going on with a text, how generate() of Python picks tokens, notes of programs.
static constexpr std::string_view kAlwaysHarmlessHf[] = {"_*",
                                                         "architectures",
                                                         "model_type",
                                                         "auto_map",
                                                         "transformers_version",
                                                         "transformers.js_config",
                                                         "torch_dtype",
                                                         "dtype",
                                                         "use_cache",
                                                         "use_bfloat16",
                                                         "torchscript",
                                                         "quantization_config",
                                                         "tf_legacy_loss",
                                                         "return_dict*",
                                                         "use_return_dict",
                                                         "output_attentions",
                                                         "output_hidden_states",
                                                         "output_scores",
                                                         "output_past",
                                                         "initializer_range",
                                                         "initializer_factor",
                                                         "*dropout",
                                                         "*_pdrop",
                                                         "*_dropout_prob",
                                                         "*_token_id",
                                                         "*_token_ids",
                                                         "tokenizer_class",
                                                         "tokenizer_model",
                                                         "tokenizer_name",
                                                         "model_name",
                                                         "model_id",
                                                         "name",
                                                         "license",
                                                         "author",
                                                         "description",
                                                         "id2label",
                                                         "label2id",
                                                         "num_labels",
                                                         "problem_type",
                                                         "finetuning_task",
                                                         "task_specific_params",
                                                         "tie_encoder_decoder",
                                                         "is_decoder",
                                                         "chunk_size_feed_forward",
                                                         "summary_*",
                                                         "gradient_checkpointing*",
                                                         "use_gradient_checkpointing",
                                                         "pretraining_tp",
                                                         "tensor_parallel_degree",
                                                         "seed",
                                                         "max_length",
                                                         "min_length",
                                                         "max_new_tokens",
                                                         "do_sample",
                                                         "early_stopping",
                                                         "num_beams",
                                                         "num_beam_groups",
                                                         "num_return_sequences",
                                                         "diversity_penalty",
                                                         "temperature",
                                                         "top_k",
                                                         "top_p",
                                                         "typical_p",
                                                         "repetition_penalty",
                                                         "length_penalty",
                                                         "no_repeat_ngram_size",
                                                         "encoder_no_repeat_ngram_size",
                                                         "bad_words_ids",
                                                         "forced_*",
                                                         "remove_invalid_values",
                                                         "exponential_decay_length_penalty",
                                                         "suppress_tokens",
                                                         "begin_suppress_tokens",
                                                         "prefix",
                                                         "max_sequence_length",
                                                         "max_seq_len*",
                                                         "max_seq_length",
                                                         "model_max_length",
                                                         "seq_length",
                                                         "seq_len",
                                                         "attn_implementation",
                                                         "attn_impl",
                                                         "use_flash_*",
                                                         "flash_attention*",
                                                         "use_sdpa*",
                                                         "use_fused_*",
                                                         "fuse_*",
                                                         "unsloth*",
                                                         "neftune_noise_alpha",
                                                         "z_loss*",
                                                         "neuron",
                                                         "onnx*",
                                                         "pad_to_multiple_of",
                                                         "padding_side",
                                                         "use_xformers*",
                                                         "train_*",
                                                         "training_*",
                                                         "lora_*",
                                                         "base_model*"};

/// Factors: 1 changes nothing.
static constexpr std::string_view kFactors[] = {"logit_scale",
                                                "residual_scale",
                                                "embedding_scale",
                                                "attention.output_scale",
                                                "attention.value_scale",
                                                "rope.scale",
                                                "rope.scaling.attn_factor",
                                                "rope.scaling.yarn_attn_factor",
                                                "embedding_multiplier",
                                                "residual_multiplier",
                                                "logits_scaling",
                                                "lm_head_multiplier",
                                                "partial_rotary_factor",
                                                "rotary_pct",
                                                "rope_pct",
                                                "rope_percent",
                                                "rope_ratio",
                                                "scale_emb",
                                                "attention_factor",
                                                "attn_factor",
                                                "mscale",
                                                "mscale_all_dim",
                                                "width_scale",
                                                "num_experts",
                                                "num_local_experts"};

/// Switches of what is always built: off, they say another model.
static constexpr std::string_view kOn[] = {"is_causal",    "causal",     "use_causal_mask",   "use_rope",
                                           "rope",         "rotary",     "pre_norm",          "use_rmsnorm",
                                           "use_rms_norm", "scale_attn", "scale_attn_weights"};

static bool isOneOf(std::string_view name, std::span<const std::string_view> patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (pattern.starts_with('*')) return name.ends_with(pattern.substr(1));
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return name == pattern;
  });
}

namespace {

/// A value as far as it matters here.
struct SeenValue {
  bool nothing = false;          ///< null, or without any part
  const bool* truth = nullptr;   ///< a bool
  std::optional<double> number;  ///< a number
  std::string shown;
};

bool meansOff(std::string_view name, const SeenValue& value) {
  if (value.nothing) return true;
  if (value.truth != nullptr) return *value.truth == isOneOf(name, kOn);
  if (!value.number) return false;
  return isOneOf(name, kFactors) ? *value.number == 1 || *value.number == 0 : *value.number == 0;
}

SeenValue seen(const MetadataValue& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) return {.number = static_cast<double>(*number), .shown = std::to_string(*number)};
  if (const auto* number = std::get_if<int64_t>(&value)) return {.number = static_cast<double>(*number), .shown = std::to_string(*number)};
  if (const auto* number = std::get_if<double>(&value)) return {.number = *number, .shown = fmt::format("{:g}", *number)};
  if (const auto* truth = std::get_if<bool>(&value)) return {.truth = truth, .shown = *truth ? "true" : "false"};
  if (const auto* text = std::get_if<std::string_view>(&value))
    return {.nothing = text->empty(), .shown = fmt::format("'{}'", escapedShort(*text))};
  if (const auto* numbers = std::get_if<MetadataNumbers>(&value))
    return {.nothing = numbers->bytes.find_first_not_of('\0') == std::string_view::npos, .shown = "an array"};
  return {.shown = "an array"};
}

SeenValue seen(const JsonValue& value) {
  if (value.as<std::nullptr_t>() != nullptr) return {.nothing = true, .shown = "null"};
  if (auto number = value.number()) return {.number = number, .shown = fmt::format("{:g}", *number)};
  if (const auto* truth = value.as<bool>()) return {.truth = truth, .shown = *truth ? "true" : "false"};
  if (const auto* text = value.as<std::string>()) return {.nothing = text->empty(), .shown = fmt::format("'{}'", escapedShort(*text))};
  const auto* list = value.as<JsonArray>();
  const auto* object = value.as<JsonObject>();
  return {.nothing = list != nullptr ? list->empty() : object == nullptr || object->empty(), .shown = value.kind()};
}

Error unheeded(const std::string& file, const std::string& key, const std::string& shown, const KnownKeys& known) {
  std::string how = known.ignorable ? fmt::format("; --ignore-key {} goes on without it", escapedShort(key)) : "";
  return badInput(fmt::format("{}: '{}' is {}, which nothing here heeds, so the result could be another{}", escaped(file),
                              escapedShort(key), shown, how));
}

}  // namespace

Result<void> checkKeys(const Metadata& metadata, const std::string& arch, const KnownKeys& known) {
  for (auto at = metadata.values().lower_bound(arch + "."); at != metadata.values().end() && at->first.starts_with(arch + "."); ++at) {
    std::string_view name = std::string_view(at->first).substr(arch.size() + 1);
    if (known.read.count(at->first) != 0 || isOneOf(name, kAlwaysHarmlessGguf) || isOneOf(name, known.harmless)) continue;
    if (SeenValue value = seen(at->second); !meansOff(name, value)) return unheeded(metadata.file(), at->first, value.shown, known);
  }
  return {};
}

Result<void> checkKeys(const std::string& file, const JsonValue& object, const KnownKeys& known, const std::string& prefix) {
  const auto* fields = object.as<JsonObject>();
  if (fields == nullptr) return {};
  for (const auto& [name, given] : *fields) {
    if (known.read.count(name) != 0 || isOneOf(name, kAlwaysHarmlessHf) || isOneOf(name, known.harmless)) continue;
    if (SeenValue value = seen(given); !meansOff(name, value)) return unheeded(file, prefix + name, value.shown, known);
  }
  return {};
}

}  // namespace quern
