// models/arch/Architecture.h — the list of architectures; each is one file beside this.
#pragma once

#include "models/ModelGraph.h"

#include <span>
#include <string_view>

namespace quern {

/// A name in config.json's architectures, and the model_type that goes with it.
struct HfName {
  std::string_view name, modelType;
};

/// How one family of models is recognised, read and built. Adding one is arch/NAME.cpp, which defines
/// Architecture makeNAME(), and a word in the list of models/meson.build.
struct Architecture {
  std::string_view name;
  std::span<const std::string_view> ggufNames;  ///< of general.architecture
  std::span<const HfName> hfNames;              ///< the first of a model_type stands for it
  std::vector<WeightName> hfWeights;            ///< how Hugging Face names the weights
  std::span<const std::string_view> ignored;    ///< stored tensors that hold nothing of the model
  Result<ModelConfig> (*readGguf)(const Metadata& metadata, const std::string& ggufName);
  Result<ModelConfig> (*readHf)(const JsonFields& config, const JsonValue& root, const HfName& name);
  /// Writes the model into `graph`; what is wrong is kept there. `hf`: weights are stored as Hugging Face does.
  void (*build)(ModelGraph& graph, const ModelConfig& config, bool hf);
  std::span<const std::string_view> rearranged = {};  ///< our names of weights whose rows GGUF has in another order (beside rope's pairs)
  /// Puts weights together that a folder has in other tensors than these names say; null: it has none.
  Result<void> (*join)(const WeightFiles& files, Weights& weights) = nullptr;
};

/// All of them.
std::span<const Architecture> architectures();
/// By its own name, or one that GGUF has for it; null for an unknown one.
const Architecture* findArchitecture(std::string_view name);

}  // namespace quern
