// tools/recorded/NamedModel.h — the M of a command: model files, or a name in configs/models, which is sizes with random weights.
#pragma once

#include "models/ModelSource.h"
#include "tools/recorded/ModelSizes.h"

namespace quern {

/// Sizes with random weights (Gpt2Weights.h). `drawn` false: the shapes alone, for workloads.
ModelSource randomModel(const ModelConfig& config, bool drawn = true);

/// Whether `model`, the M of a command, is to be opened as files: false for a name in configs/models and for a TOML file.
bool namesModelFiles(const std::string& model);

/// `model`: a .gguf file, a folder with config.json and *.safetensors, a name in configs/models or a TOML file.
/// `ignoredKeys`: as openModelFiles has them; sizes have none.
/// Errors   as readModelConfig and openModelFiles; BadCommand: keys to ignore in sizes.
Result<ModelSource> openModel(const std::string& model, std::span<const std::string> ignoredKeys = {});

}  // namespace quern
