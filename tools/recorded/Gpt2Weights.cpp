// tools/recorded/Gpt2Weights.cpp — see Gpt2Weights.h.
#include "tools/recorded/Gpt2Weights.h"

#include "tools/recorded/DotNetRandom.h"

#include <cmath>

namespace quern {

static std::vector<float> drawn(DotNetRandom& random, int64_t count, double limit) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = random.uniform(-limit, limit);
  return values;
}

static Linear linear(DotNetRandom& random, int64_t out, int64_t in, bool bias) {
  double limit = std::sqrt(6.0 / static_cast<double>(in + out));
  return {out, in, drawn(random, out * in, limit), std::vector<float>(bias ? static_cast<size_t>(out) : 0)};
}

static LayerNormWeights freshNorm(int64_t width) {
  auto count = static_cast<size_t>(width);
  return {std::vector<float>(count, 1.0f), std::vector<float>(count, 0.0f)};
}

Gpt2Weights randomGpt2Weights(const ModelConfig& c) {
  DotNetRandom random(c.seed);
  Gpt2Weights w;
  w.tokens = drawn(random, c.vocab * c.width, 0.02);
  w.positions = drawn(random, c.context * c.width, 0.02);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    Gpt2Block block;
    block.norm1 = freshNorm(c.width);
    block.norm2 = freshNorm(c.width);
    block.qkv = linear(random, 3 * c.width, c.width, true);
    block.proj = linear(random, c.width, c.width, true);
    block.fc1 = linear(random, c.hidden, c.width, true);
    block.fc2 = linear(random, c.width, c.hidden, true);
    w.blocks.push_back(std::move(block));
  }
  w.norm = freshNorm(c.width);
  w.head = linear(random, c.vocab, c.width, false);
  return w;
}

int64_t Gpt2Weights::parameters() const {
  auto sizeOf = [](const auto&... arrays) { return static_cast<int64_t>((arrays.size() + ...)); };
  int64_t count = sizeOf(tokens, positions, norm.gain, norm.bias, head.weight, head.bias);
  for (const Gpt2Block& b : blocks)
    count += sizeOf(b.norm1.gain, b.norm1.bias, b.norm2.gain, b.norm2.bias, b.qkv.weight, b.qkv.bias, b.proj.weight, b.proj.bias,
                    b.fc1.weight, b.fc1.bias, b.fc2.weight, b.fc2.bias);
  return count;
}

}  // namespace quern
