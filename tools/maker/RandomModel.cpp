// tools/maker/RandomModel.cpp — see RandomModel.h.
#include "tools/maker/RandomModel.h"

#include "models/files/WeightValues.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

// llama-110m and llama-15m have the sizes of the two TinyStories models of these names; tiny has rows of whole K blocks.
constexpr ModelShape kShapes[] = {
    {"llama-110m", 768, 12, 12, 12, 2048, 32000, 1024},
    {"llama-15m", 288, 6, 6, 6, 768, 32000, 256},
    {"tiny", 256, 2, 4, 2, 512, 512, 256},
};

using enum TensorType;

/// SplitMix64's output function: a bijection that mixes well even for successive inputs.
constexpr uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t keyOf(std::string_view name, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return mixed(hash + mixed(seed));
}

/// In [-1, 1), of 24 bits.
float uniform(uint64_t key, int64_t index) {
  uint64_t bits = mixed(key + 0x9e3779b97f4a7c15u * static_cast<uint64_t>(index));
  return static_cast<float>(static_cast<int64_t>(bits >> 40)) * 0x1p-23f - 1.0f;
}

}  // namespace

std::span<const ModelShape> modelShapes() { return kShapes; }

void addArchitecture(const RandomModel& model, GgufWriter& out) {
  const ModelShape& s = model.shape;
  auto size = [&](const char* key, int64_t value) { out.u32(std::string("llama.") + key, static_cast<uint32_t>(value)); };
  out.string("general.architecture", "llama");
  out.string("general.name", fmt::format("{} {}, random weights, seed {}", s.name, model.mix.name, model.seed));
  out.u32("general.file_type", static_cast<uint32_t>(model.mix.ggufFileType));
  out.u32("general.quantization_version", 2);
  size("vocab_size", s.vocab);
  size("context_length", s.context);
  size("embedding_length", s.width);
  size("block_count", s.layers);
  size("feed_forward_length", s.hidden);
  size("attention.head_count", s.heads);
  size("attention.head_count_kv", s.kvHeads);
  size("rope.dimension_count", s.width / s.heads);
  out.f32("llama.rope.freq_base", 10000.0f);
  out.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
}

std::vector<MadeTensor> tensorsOf(const RandomModel& model) {
  const ModelShape& s = model.shape;
  int64_t keys = s.width / s.heads * s.kvHeads;
  std::vector<MadeTensor> tensors;
  auto matrix = [&](std::string name, TensorType type, int64_t rows, int64_t columns) {
    TensorType fits = fittingType(type, columns);
    tensors.push_back({std::move(name), fits, {rows, columns}, fits != type});
  };
  auto norm = [&](std::string name) { tensors.push_back({std::move(name), F32, {s.width}, false}); };
  matrix("token_embd.weight", model.tied ? model.mix.head : model.mix.most, s.vocab, s.width);
  for (int64_t i = 0; i < s.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    norm(blk + "attn_norm.weight");
    matrix(blk + "attn_q.weight", model.mix.most, s.width, s.width);
    matrix(blk + "attn_k.weight", model.mix.most, keys, s.width);
    matrix(blk + "attn_v.weight", model.mix.some, keys, s.width);
    matrix(blk + "attn_output.weight", model.mix.most, s.width, s.width);
    norm(blk + "ffn_norm.weight");
    matrix(blk + "ffn_gate.weight", model.mix.most, s.hidden, s.width);
    matrix(blk + "ffn_up.weight", model.mix.most, s.hidden, s.width);
    matrix(blk + "ffn_down.weight", model.mix.some, s.width, s.hidden);
  }
  norm("output_norm.weight");
  if (!model.tied) matrix("output.weight", model.mix.head, s.vocab, s.width);
  return tensors;
}

ByteSource randomTensor(const MadeTensor& tensor, uint64_t seed, std::function<void(int64_t)> written) {
  return [=](const ByteSink& sink) -> Result<void> {
    bool norm = tensor.shape.size() == 1;
    int64_t columns = tensor.shape.back(), rows = norm ? 1 : tensor.shape[0], pieceRows = std::max<int64_t>(1, (1 << 18) / columns);
    float bound = std::sqrt(6.0f / static_cast<float>(rows + columns));
    uint64_t key = keyOf(tensor.name, seed);
    std::vector<float> values(static_cast<size_t>(std::min(rows, pieceRows) * columns), 1.0f);
    std::vector<std::byte> bytes;
    for (int64_t row = 0; row < rows; row += pieceRows) {
      int64_t count = std::min(pieceRows, rows - row) * columns;
      for (int64_t i = 0; !norm && i < count; ++i) values[static_cast<size_t>(i)] = bound * uniform(key, row * columns + i);
      bytes.resize(static_cast<size_t>(*rowBytes(tensor.type, count)));
      if (auto good = fromFloats(tensor.type, values.data(), count, bytes.data()); !good) return good;
      if (auto good = sink(bytes); !good) return good;
      written(count);
    }
    return {};
  };
}

}  // namespace quern
