// tools/recorded/ModelSizes.cpp — see ModelSizes.h.
#include "tools/recorded/ModelSizes.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

Result<ModelConfig> modelConfigFromToml(const TomlValue& root, const std::string& path) {
  TomlReader reader(root, path);
  constexpr int64_t kMax = 1 << 20;
  ModelConfig config;
  std::string file = path.substr(path.rfind('/') + 1);
  config.name = reader.takeString("name").value_or(file.substr(0, file.rfind(".toml")));
  config.architecture = reader.needString("architecture");
  config.vocab = reader.takeInt("vocab", std::nullopt, 1, kMax);
  config.context = reader.takeInt("context", std::nullopt, 1, kMax);
  config.width = reader.takeInt("width", std::nullopt, 1, kMax);
  config.layers = reader.takeInt("layers", std::nullopt, 1, 1024);
  config.heads = reader.takeInt("heads", std::nullopt, 1, 1024);
  config.hidden = reader.takeInt("hidden", 4 * config.width, 1, 4 * kMax);
  config.gelu = reader.takeString("gelu").value_or(config.gelu);
  config.eps = static_cast<float>(reader.takeNumber("eps", 1e-5));
  config.seed = static_cast<int32_t>(reader.takeInt("seed", 42, 0, INT32_MAX));
  if (config.architecture != "gpt2")
    reader.fail(root.find("architecture"),
                fmt::format("architecture '{}' has no random weights; gpt2 has", escapedShort(config.architecture)));
  if (auto good = reader.finish(); !good) return good.error();
  if (auto good = config.validate(path + ":1:1"); !good) return good.error();
  constexpr int64_t kMaxParameters = int64_t{1} << 36;
  int64_t block = 4 * config.width * config.width + 2 * config.width * config.hidden;  // qkv and proj, fc1 and fc2
  if (config.layers * block + (config.vocab + config.context) * config.width > kMaxParameters)
    return badInput(fmt::format("{}:1:1: more than 2^36 parameters", escaped(path)));
  return config;
}

Result<ModelConfig> readModelConfig(const std::string& nameOrPath) {
  auto path = findConfig("models", nameOrPath);
  if (!path) return path.error();
  auto root = readToml(*path);
  if (!root) return root.error();
  return modelConfigFromToml(*root, *path);
}

}  // namespace quern
