// models/ModelConfig.cpp — see ModelConfig.h.
#include "models/ModelConfig.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

LayerConfig ModelConfig::layer(int64_t i) const {
  LayerConfig own = perLayer.empty() ? LayerConfig{} : perLayer[static_cast<size_t>(i)];
  for (auto [size, alike] : {std::pair{&own.heads, heads}, {&own.kvHeads, keyHeads()}, {&own.hidden, hidden}})
    if (*size == LayerConfig::kAlike) *size = alike;
  return own;
}

bool ModelConfig::ownSizes() const {
  return std::any_of(perLayer.begin(), perLayer.end(), [](const LayerConfig& own) {
    return own.heads != LayerConfig::kAlike || own.kvHeads != LayerConfig::kAlike || own.hidden != LayerConfig::kAlike;
  });
}

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
  if (turned < 0 || turned > headDim()) return bad(fmt::format("{} elements of a head of {} cannot be turned", turned, headDim()));
  if (rotary && turnedDim() % 2 != 0) return bad(fmt::format("a head of {} elements is odd: rotary positions turn pairs", turnedDim()));
  for (int64_t i = 0; i < (perLayer.empty() ? 1 : layers); ++i) {
    LayerConfig own = layer(i);
    if (own.heads > 0 && own.kvHeads > 0 && own.heads % own.kvHeads != 0)
      return bad(fmt::format("{}heads {} is not a multiple of kv heads {}", ownSizes() ? fmt::format("layer {}: ", i) : "", own.heads,
                             own.kvHeads));
  }
  for (const auto& [what, value] : {std::pair{"a scale of scores", attentionScale == 0 ? 1 : attentionScale},
                                    {"a scale of embeddings", embeddingScale},
                                    {"a scale of what layers add", residualScale},
                                    {"a scale of logits", logitScale}})
    if (!std::isfinite(value) || value == 0) return bad(fmt::format("{} of {} is not a finite number other than 0", what, value));
  for (double cap : {scoreCap, logitCap})
    if (!(cap >= 0) || !std::isfinite(cap)) return bad(fmt::format("a cap of {} is not a finite number of 0 or more", cap));
  if (experts < 0 || experts > 65536 || usedExperts < 0 || usedExperts > std::min<int64_t>(experts, 256) ||
      (experts > 0) != (usedExperts > 0))
    return bad(fmt::format("{} of {} experts cannot be used", usedExperts, experts));
  if (!(eps > 0 && eps < 1)) return bad(fmt::format("eps {} is not above 0 and below 1", eps));
  if (gelu != "erf" && gelu != "tanh" && gelu != "sigmoid")
    return bad(fmt::format("gelu '{}' is not erf, tanh or sigmoid", escapedShort(gelu)));
  return {};
}

}  // namespace quern
