// tools/recorded/NamedModel.cpp — see NamedModel.h.
#include "tools/recorded/NamedModel.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "tools/recorded/Gpt2Weights.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/stat.h>

namespace quern {

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

Result<ModelSource> openModel(const std::string& model, std::span<const std::string> ignoredKeys) {
  if (namesModelFiles(model)) return openModelFiles(model, ignoredKeys);
  if (!ignoredKeys.empty())
    return badCommand(fmt::format("--ignore-key {}: '{}' is sizes with random weights", escaped(ignoredKeys.front()), escaped(model)));
  auto config = readModelConfig(model);
  if (!config) return config.error();
  return randomModel(*config);
}

}  // namespace quern
