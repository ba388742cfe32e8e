// models/arch/DecoderReading.h — what decoders with rotary positions say of themselves under the same keys.
#pragma once

#include "models/arch/Architecture.h"
#include "models/arch/GgufSizes.h"
#include "models/arch/KnownKeys.h"
#include "models/arch/Needed.h"
#include "models/arch/RopeReading.h"

#include <functional>

namespace quern {

/// Where families differ.
struct DecoderKeys {
  RopePairs pairs = RopePairs::Half;
  bool layerNorm = false;                      ///< its eps in place of RMSNorm's
  double part = 0;                             ///< how much of a head is turned where a folder does not say it; 0: always all
  bool scaled = false;                         ///< scores may have another scale than 1 / sqrt(head size)
  double base = 10000;                         ///< of angles, where a folder does not say it
  double eps = 1e-6;                           ///< of RMSNorm, where a folder does not say it
  LayerSizes sizes = LayerSizes::Alike;        ///< of a GGUF file
  bool hidden = true;                          ///< a folder says one size of all feed-forwards
  std::optional<RopeConfig>* local = nullptr;  ///< angles of windowed layers, where a folder says them by kind of layer
};

/// ARCH.*: sizes, heads of keys, the head's size, eps, rope; windows are left to the caller. What is wrong is kept in `in`.
ModelConfig ggufDecoder(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, const DecoderKeys& keys);
/// The config, where all that was read is good and no other key could change the model.
Result<ModelConfig> checkedGguf(const Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, const ModelConfig& config,
                                std::span<const std::string_view> harmless = {});

/// The same of a config.json. `activations`: what hidden_act may be, the first where nothing says it.
ModelConfig hfDecoder(Needed<JsonFields>& in, const std::string& file, const JsonValue& root, const HfName& name, const DecoderKeys& keys,
                      std::span<const std::string_view> activations);
Result<ModelConfig> checkedHf(const Needed<JsonFields>& in, const JsonFields& fields, const JsonValue& root, const ModelConfig& config,
                              std::span<const std::string_view> harmless = {});

/// ARCH.expert_count, expert_used_count, expert_feed_forward_length.
void ggufExperts(Needed<Metadata>& in, const std::string& arch, ModelConfig& config);
/// Rows see `window` keys in the layers that `windowed` names, all in the others; 0: no layer has a window.
void setWindows(ModelConfig& config, int64_t window, const std::function<bool(int64_t layer)>& windowed);
/// "layer_types" of a config.json: which layers have the window; nothing where the list is missing. What is wrong is kept in `in`.
std::optional<std::vector<bool>> hfWindowedLayers(Needed<JsonFields>& in, const JsonValue& root, int64_t layers);
/// Windows of a config.json as Mistral and Qwen say them: by layer_types, else from max_window_layers on where use_sliding_window switches
/// them on. `unnamed`: a window stands without that, in all layers, and is this where nothing names it (0: none).
void hfWindows(Needed<JsonFields>& in, const JsonValue& root, ModelConfig& config, std::optional<int64_t> unnamed = {});
/// ARCH.attention.sliding_window_pattern: layer i is windowed but for each PATTERN-th, or as an array of flags says it.
std::function<bool(int64_t layer)> ggufPattern(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, int64_t layers,
                                               int64_t fallback);

/// How Hugging Face names what most decoders have, and `more`.
std::vector<WeightName> decoderWeights(std::initializer_list<WeightName> more = {});
/// ... with Qwen's and OLMoE's names of a mixture's router and experts.
std::vector<WeightName> mixtureWeights(std::initializer_list<WeightName> more = {});
/// Frequencies that older files carry although base and width say them, and the value head that reinforcement learning leaves behind.
std::span<const std::string_view> decoderIgnored();

}  // namespace quern
