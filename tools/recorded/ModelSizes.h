// tools/recorded/ModelSizes.h — a model's sizes as they stand in a TOML file of configs/models.
#pragma once

#include "compiler/base/Toml.h"
#include "models/ModelConfig.h"

namespace quern {

/// `nameOrPath`: a name in configs/models or a TOML file. Errors: BadInput "file:line:column".
Result<ModelConfig> readModelConfig(const std::string& nameOrPath);
Result<ModelConfig> modelConfigFromToml(const TomlValue& root, const std::string& path);

}  // namespace quern
