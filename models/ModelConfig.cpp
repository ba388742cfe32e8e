// models/ModelConfig.cpp — see ModelConfig.h.
#include "models/ModelConfig.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"

#include <fmt/format.h>

namespace quern {

Result<void> ModelConfig::validate(const std::string& subject) const {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(subject), why)); };
  constexpr int64_t kMaxLayers = 4096, kMaxHeads = 65536, kMaxSize = int64_t{1} << 24, kMaxContext = int64_t{1} << 24;
  struct {
    const char* what;
    int64_t value, most;
  } const sizes[] = {{"layers", layers, kMaxLayers},      {"width", width, kMaxSize},      {"heads", heads, kMaxHeads},
                     {"kv heads", keyHeads(), kMaxHeads}, {"vocabulary", vocab, kMaxSize}, {"context", context, kMaxContext},
                     {"hidden", hidden, kMaxSize}};
  for (const auto& [what, value, most] : sizes)
    if (value < 1 || value > most) return bad(fmt::format("{} {} is not 1 to {}", what, value, most));
  if (headSize == 0 && width % heads != 0) return bad(fmt::format("width {} is not a multiple of heads {}", width, heads));
  if (headDim() > kMaxHeads) return bad(fmt::format("a head of {} is not 1 to {}", headDim(), kMaxHeads));
  if (rotary && headDim() % 2 != 0) return bad(fmt::format("a head of {} elements is odd: rotary positions turn pairs", headDim()));
  if (heads % keyHeads() != 0) return bad(fmt::format("heads {} is not a multiple of kv heads {}", heads, keyHeads()));
  if (!(eps > 0 && eps < 1)) return bad(fmt::format("eps {} is not above 0 and below 1", eps));
  if (gelu != "erf" && gelu != "tanh" && gelu != "sigmoid")
    return bad(fmt::format("gelu '{}' is not erf, tanh or sigmoid", escapedShort(gelu)));
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
  if (config.architecture != "gpt2")
    return badInput(
        fmt::format("{}: architecture '{}' has no random weights; gpt2 has", escaped(*path), escapedShort(config.architecture)));
  if (auto good = config.validate(*path); !good) return good.error();
  constexpr int64_t kMaxParameters = int64_t{1} << 36;
  int64_t block = 4 * config.width * config.width + 2 * config.width * config.hidden;  // qkv and proj, fc1 and fc2
  if (config.layers * block + (config.vocab + config.context) * config.width > kMaxParameters)
    return badInput(fmt::format("{}: more than 2^36 parameters", escaped(*path)));
  return config;
}

}  // namespace quern
