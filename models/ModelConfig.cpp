// models/ModelConfig.cpp — see ModelConfig.h.
#include "models/ModelConfig.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"

#include <fmt/format.h>

namespace quern {

Result<void> ModelConfig::validate(const std::string& subject) const {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(subject), why)); };
  if (architecture != "gpt2") return bad(fmt::format("architecture '{}' is not known; gpt2 is", escaped(architecture)));
  if (width % heads != 0) return bad(fmt::format("width {} is not a multiple of heads {}", width, heads));
  if (gelu != "erf" && gelu != "tanh" && gelu != "sigmoid") return bad(fmt::format("gelu '{}' is not erf, tanh or sigmoid", escaped(gelu)));
  constexpr int64_t kMaxParameters = int64_t{1} << 36;
  if (layers * (12 * width * width) > kMaxParameters || vocab * width > kMaxParameters) return bad("more than 2^36 parameters");
  return {};
}

Result<ModelConfig> readModelConfig(const std::string& nameOrPath) {
  auto path = findConfig("models", nameOrPath);
  if (!path) return path.error();
  auto root = readToml(*path);
  if (!root) return root.error();
  TomlReader reader(*root, *path);
  constexpr int64_t kMax = 1 << 20;
  ModelConfig config;
  std::string file = path->substr(path->rfind('/') + 1);
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
  if (auto good = reader.finish(); !good) return good.error();
  if (auto good = config.validate(*path); !good) return good.error();
  return config;
}

}  // namespace quern
