// tests/model/FamilyParts.cpp — see FamilyParts.h.
#include "tests/model/FamilyParts.h"

#include <cmath>

namespace quern {

std::string blk(int64_t layer, const char* name) { return fmt::format("blk.{}.{}", layer, name); }

ModelConfig baseConfig(RopePairs pairs, int64_t layers) {
  ModelConfig c = smallConfig();
  c.rope.pairs = pairs;
  c.layers = layers;
  c.headSize = 32;  // twice what width and heads say
  c.rope.base = 500;
  return c;
}

/// Gains are multiples of 2^-10, from which 1 can be taken and given back.
TestModel base(const char* family, const ModelConfig& c, uint32_t seed) {
  TestModel model = randomLlama(c, seed);
  model.family = family;
  for (auto& [name, tensor] : model.tensors)
    for (float& each : tensor.values)
      if (tensor.shape.size() == 1) each = std::round(each * 1024) / 1024;
  return model;
}

void remove(TestModel& model, const char* stem) {
  for (int64_t i = 0; i < model.config.layers; ++i)
    for (const char* kind : {".weight", ".bias"}) model.tensors.erase(blk(i, stem) + kind);
}

/// Norms of heads: gains of `q` and `k` elements.
void normHeads(TestModel& model, int64_t q, int64_t k, uint32_t seed) {
  Drawn drawn(model, seed);
  for (int64_t i = 0; i < model.config.layers; ++i)
    drawn.gain(blk(i, "attn_q_norm.weight"), q), drawn.gain(blk(i, "attn_k_norm.weight"), k);
}

void normWhatIsAdded(TestModel& model, uint32_t seed) {
  Drawn drawn(model, seed);
  for (int64_t i = 0; i < model.config.layers; ++i)
    for (const char* name : {"post_attention_norm.weight", "post_ffw_norm.weight"}) drawn.gain(blk(i, name), model.config.width);
}

/// The rows of several matrices, or the elements of several biases, one below the other.
void fuse(TestModel& model, const char* into, std::initializer_list<const char*> parts) {
  for (int64_t i = 0; i < model.config.layers; ++i)
    for (const char* kind : {".weight", ".bias"}) {
      TestTensor all;
      for (const char* part : parts) {
        auto found = model.tensors.find(blk(i, part) + kind);
        if (found == model.tensors.end()) continue;
        std::vector<int64_t> shape = found->second.shape;
        if (!all.shape.empty()) shape[0] += all.shape[0];
        all.shape = shape;
        all.values.insert(all.values.end(), found->second.values.begin(), found->second.values.end());
        model.tensors.erase(found);
      }
      if (!all.shape.empty()) model.tensors[blk(i, into) + kind] = all;
    }
}

void biasAll(TestModel& model, std::initializer_list<const char*> stems, uint32_t seed) {
  Drawn drawn(model, seed);
  for (int64_t i = 0; i < model.config.layers; ++i)
    for (const char* stem : stems)
      if (model.has(blk(i, stem) + ".weight")) drawn.bias(blk(i, stem) + ".bias", model.at(blk(i, stem) + ".weight").shape[0]);
  drawn.bias("output_norm.bias", model.config.width);
}

void setWindow(ModelConfig& c, int64_t window, const std::function<bool(int64_t)>& windowed) {
  c.perLayer.resize(static_cast<size_t>(c.layers));
  for (int64_t i = 0; i < c.layers; ++i)
    if (windowed(i)) c.perLayer[static_cast<size_t>(i)].window = window;
}

TestFeature withoutTensors(const char* name, std::initializer_list<const char*> stems) {
  std::vector<const char*> all(stems);
  return {name, [all](TestModel& model) {
            for (const char* stem : all) remove(model, stem);
          }};
}
TestFeature changed(const char* name, std::function<void(ModelConfig&)> change) {
  return {name, [change](TestModel& model) { change(model.config); }};
}
TestFeature withoutWindows() {
  return changed("windows", [](ModelConfig& c) {
    for (LayerConfig& layer : c.perLayer) layer.window = 0;
  });
}
TestFeature wholeHeadsTurned() {
  return changed("part of a head turned", [](ModelConfig& c) { c.turned = 0; });
}

}  // namespace quern
