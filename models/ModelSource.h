// models/ModelSource.h — what a model is made from: its architecture, sizes and weights, from files or from a name with random weights.
#pragma once

#include "models/arch/Architecture.h"

#include <memory>
#include <optional>

namespace quern {

/// A described model; its weights are not read yet. Keeps files mapped, or random weights in memory.
struct ModelSource {
  const Architecture* architecture = nullptr;
  ModelConfig config;
  Weights weights{""};
  bool hf = false;                           ///< weights as Hugging Face stores them
  std::shared_ptr<const WeightFiles> files;  ///< null: random weights
  std::shared_ptr<void> owned;               ///< what random weights lie in
};

/// `model`: a .gguf file, a folder with config.json and *.safetensors, a name in configs/models or a TOML file.
/// Errors   BadInput naming file, field, value and what would be right.
Result<ModelSource> openModel(const std::string& model);

/// Sizes with random weights (Gpt2Weights.h). `drawn` false: the shapes alone, for workloads.
ModelSource randomModel(const ModelConfig& config, bool drawn = true);

/// Describes the architecture of files without their weights' values. Errors: BadInput as openModel.
Result<ModelSource> describeModel(std::shared_ptr<const WeightFiles> files);

/// Whether `model`, the M of a command, is to be opened as files: false for a name in configs/models and for a TOML file.
bool namesModelFiles(const std::string& model);

}  // namespace quern
