// models/ModelSource.cpp — see ModelSource.h.
#include "models/ModelSource.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// "llama qwen2 gpt2": what could have been there.
static std::string knownNames(std::span<const std::string_view> Architecture::* names) {
  std::string all;
  for (const Architecture& each : architectures())
    for (std::string_view name : each.*names) all += (all.empty() ? "" : " ") + std::string(name);
  return all;
}

static const Architecture* architectureNamed(std::string_view name, std::span<const std::string_view> Architecture::* names) {
  for (const Architecture& each : architectures())
    if (std::find((each.*names).begin(), (each.*names).end(), name) != (each.*names).end()) return &each;
  return nullptr;
}

static Result<void> describeGguf(ModelSource& source) {
  const Metadata& metadata = source.files->metadata();
  auto name = metadata.string("general.architecture");
  if (!name) return name.error();
  if (!*name) return badInput(fmt::format("{}: 'general.architecture' is missing", escaped(metadata.file())));
  source.architecture = architectureNamed(**name, &Architecture::ggufNames);
  if (source.architecture == nullptr)
    return badInput(fmt::format("{}: 'general.architecture' is '{}'; known: {}", escaped(metadata.file()), escapedShort(**name),
                                knownNames(&Architecture::ggufNames)));
  auto config = source.architecture->readGguf(metadata, std::string(**name));
  if (!config) return config.error();
  source.config = std::move(*config);
  return {};
}

static Result<void> describeFolder(ModelSource& source) {
  const std::string& file = source.files->configPath();
  const JsonValue& root = *source.files->config();
  const JsonValue* names = root.find("architectures");
  const JsonArray* list = names == nullptr ? nullptr : names->as<JsonArray>();
  const std::string* name = list == nullptr || list->empty() ? nullptr : list->front().as<std::string>();
  if (name == nullptr)
    return badInput(fmt::format("{}: 'architectures' is no list of names; known: {}", escaped(file), knownNames(&Architecture::hfNames)));
  source.architecture = architectureNamed(*name, &Architecture::hfNames);
  if (source.architecture == nullptr)
    return badInput(
        fmt::format("{}: 'architectures' is '{}'; known: {}", escaped(file), escapedShort(*name), knownNames(&Architecture::hfNames)));
  auto config = source.architecture->readHf(JsonFields(file, root), root, *name);
  if (!config) return config.error();
  source.config = std::move(*config);
  source.hf = true;
  return {};
}

Result<ModelSource> describeModel(std::shared_ptr<const WeightFiles> files) {
  ModelSource source;
  source.files = std::move(files);
  auto good = source.files->format() == WeightFormat::Gguf ? describeGguf(source) : describeFolder(source);
  if (!good) return good.error();
  if (auto valid = source.config.validate(source.files->path()); !valid) return valid.error();
  source.weights = Weights::ofFiles(*source.files, source.hf ? source.architecture->hfWeights : std::span<const WeightName>(),
                                    source.architecture->ignored);
  return source;
}

Result<ModelSource> openModelFiles(const std::string& path) {
  auto files = WeightFiles::open(path);
  if (!files) return files.error();
  return describeModel(std::make_shared<const WeightFiles>(std::move(*files)));
}

}  // namespace quern
