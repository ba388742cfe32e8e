// models/arch/GgufSizes.cpp — see GgufSizes.h.
#include "models/arch/GgufSizes.h"

#include <algorithm>

namespace quern {

namespace {

/// Sizes that may be arrays, read one after the other.
class Sizes {
public:
  Sizes(Needed<Metadata>& in, const Metadata& metadata, LayerSizes own, ModelConfig& config)
      : in_(in), metadata_(metadata), own_(own), config_(config) {}

  /// The number, or the largest of all layers', which then have theirs in `member`. `fallback` 0: the key is needed.
  int64_t read(const std::string& key, int64_t LayerConfig::* member, int64_t most, int64_t fallback) {
    auto value = metadata_.values().find(in_.noted(key));
    if (value == metadata_.values().end() || !std::holds_alternative<MetadataNumbers>(value->second))
      return fallback == 0 ? in_.integer(key, 1, most) : in_.integerOr(key, fallback, 1, most);
    auto numbers = metadata_.integers(key);
    if (!numbers) return in_.fail(numbers.error()), 1;
    const std::vector<int32_t>& all = *numbers;
    auto layers = static_cast<size_t>(config_.layers);
    if (!in_.status() || all.size() != layers)
      return in_.refuse(key, fmt::format("an array of {}", all.size()), fmt::format("one of {}, the layers,", layers)), 1;
    int64_t least = own_ == LayerSizes::OwnOrNone ? 0 : 1, largest = *std::max_element(all.begin(), all.end());
    for (size_t i = 0; i < layers; ++i)
      if (all[i] < least || all[i] > most || largest == 0)
        return in_.refuse(key, fmt::format("{} at {}", all[i], i), fmt::format("{} to {}", largest == 0 ? 1 : least, most)), 1;
    if (std::count(all.begin(), all.end(), all[0]) == static_cast<std::ptrdiff_t>(layers)) return all[0];
    if (own_ == LayerSizes::Alike) return in_.refuse(key, "an array of different numbers", "one number for all layers"), 1;
    config_.perLayer.resize(layers);
    for (size_t i = 0; i < layers; ++i) config_.perLayer[i].*member = all[i];
    return largest;
  }

private:
  Needed<Metadata>& in_;
  const Metadata& metadata_;
  LayerSizes own_;
  ModelConfig& config_;
};

}  // namespace

ModelConfig ggufSizes(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, LayerSizes own) {
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c;
  c.name = in.stringOr("general.name", arch);
  c.layers = in.integer(key("block_count"), 1, 4096);
  c.context = in.integer(key("context_length"));
  c.width = in.integer(key("embedding_length"));
  Sizes sizes(in, metadata, own, c);
  c.hidden = sizes.read(key("feed_forward_length"), &LayerConfig::hidden, int64_t{1} << 24, 0);
  c.heads = sizes.read(key("attention.head_count"), &LayerConfig::heads, 65536, 0);
  c.kvHeads = sizes.read(key("attention.head_count_kv"), &LayerConfig::kvHeads, 65536, std::max<int64_t>(c.heads, 1));
  int64_t first = c.perLayer.empty() ? c.heads : c.layer(0).heads;
  if (in.status() && first != c.heads && first > 0 && c.width % first == 0) c.headSize = c.width / first;
  auto tokens = metadata.strings("tokenizer.ggml.tokens");
  bool counted = tokens && !tokens->empty();
  if (metadata.has(key("vocab_size"))) c.vocab = in.integer(key("vocab_size"));
  else if (counted) c.vocab = static_cast<int64_t>(tokens->size());
  else in.refuse(key("vocab_size"), "missing", "it or 'tokenizer.ggml.tokens'");
  return c;
}

}  // namespace quern
