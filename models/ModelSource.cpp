// models/ModelSource.cpp — see ModelSource.h.
#include "models/ModelSource.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "models/Gpt2Weights.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/stat.h>

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

ModelSource randomModel(const ModelConfig& config, bool drawn) {
  ModelSource source;
  source.config = config;
  source.architecture = findArchitecture(config.architecture);
  source.weights = Weights(config.name);
  auto weights = std::make_shared<Gpt2Weights>(drawn ? randomGpt2Weights(config) : Gpt2Weights{});
  if (!drawn) weights->blocks.resize(static_cast<size_t>(config.layers));
  int64_t d = config.width;
  auto add = [&](const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
    source.weights.add(name, std::move(shape), values);
  };
  auto norm = [&](const std::string& name, const LayerNormWeights& w) {
    add(name + ".weight", {d}, w.gain);
    add(name + ".bias", {d}, w.bias);
  };
  auto linear = [&](const std::string& name, const Linear& w, int64_t out, int64_t in) {
    add(name + ".weight", {out, in}, w.weight);
    add(name + ".bias", {out}, w.bias);
  };
  add("token_embd.weight", {config.vocab, d}, weights->tokens);
  add("position_embd.weight", {config.context, d}, weights->positions);
  norm("output_norm", weights->norm);
  add("output.weight", {config.vocab, d}, weights->head.weight);
  for (size_t i = 0; i < weights->blocks.size(); ++i) {
    const Gpt2Block& block = weights->blocks[i];
    std::string blk = fmt::format("blk.{}.", i);
    norm(blk + "attn_norm", block.norm1);
    norm(blk + "ffn_norm", block.norm2);
    linear(blk + "attn_qkv", block.qkv, 3 * d, d);
    linear(blk + "attn_output", block.proj, d, d);
    linear(blk + "ffn_up", block.fc1, config.hidden, d);
    linear(blk + "ffn_down", block.fc2, d, config.hidden);
  }
  source.owned = weights;
  return source;
}

bool namesModelFiles(const std::string& model) {
  if (model.ends_with(".toml")) return false;
  if (model.find('/') != std::string::npos || model.ends_with(".gguf")) return true;
  std::vector<std::string> known = configNames("models");
  bool configured = std::binary_search(known.begin(), known.end(), model);
  struct stat info{};
  return !configured && ::stat(model.c_str(), &info) == 0;
}

Result<ModelSource> openModel(const std::string& model) {
  if (!namesModelFiles(model)) {
    auto config = readModelConfig(model);
    if (!config) return config.error();
    return randomModel(*config);
  }
  auto files = WeightFiles::open(model);
  if (!files) return files.error();
  return describeModel(std::make_shared<const WeightFiles>(std::move(*files)));
}

}  // namespace quern
