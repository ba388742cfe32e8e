// models/arch/Deci.cpp — DeciLM and Nemotron 51B, 49B and 253B: Llama's layers, each of sizes of its own; some with Wo alone in place of
// attention, some without attention, without a feed-forward, or without both.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>
#include <cmath>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"deci"};
constexpr HfName kHfNames[] = {{"DeciLMForCausalLM", "nemotron-nas"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kHarmlessHf[] = {"attention_bias", "mlp_bias"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.pairs = RopePairs::Adjacent, .sizes = LayerSizes::OwnOrNone});
  c.architecture = "deci";
  return checkedGguf(in, metadata, arch, c);
}

/// Two thirds of `times` the width, up to a multiple of 256.
int64_t hiddenOf(double times, int64_t width) {
  constexpr int64_t kStep = 256;
  return (static_cast<int64_t>(2 * times * static_cast<double>(width) / 3) + kStep - 1) / kStep * kStep;
}

/// "attention" or "ffn" of a layer: what it is made of, and that nothing else is said of it.
class Part {
public:
  Part(const std::string& file, const JsonValue& value, const std::string& where)
      : where_(where), file_(file), value_(value), fields_(file + ": " + where, value), in_(fields_) {}

  Needed<JsonFields>& in() { return in_; }
  bool on(const char* key) { return in_.flagOr(key, false); }
  Result<void> good() const {
    if (!in_.status()) return in_.status();
    return checkKeys(file_, value_, {in_.read(), {}}, where_ + ".");
  }

private:
  std::string where_, file_;
  const JsonValue& value_;
  JsonFields fields_;
  Needed<JsonFields> in_;
};

/// One of "block_configs".
Result<LayerConfig> layerOf(const std::string& file, const JsonValue& block, const std::string& where, const ModelConfig& c) {
  const JsonValue *attention = block.find("attention"), *ffn = block.find("ffn");
  for (auto [part, name] : {std::pair{attention, "attention"}, {ffn, "ffn"}})
    if (part == nullptr || part->as<JsonObject>() == nullptr)
      return badInput(
          fmt::format("{}: '{}.{}' is {}, an object is needed", escaped(file), where, name, part == nullptr ? "missing" : part->kind()));
  Part heads(file, *attention, where + ".attention"), hidden(file, *ffn, where + ".ffn");
  LayerConfig own{.heads = 0, .kvHeads = 0, .hidden = 0};
  bool none = heads.on("no_op"), linear = heads.on("replace_with_linear");
  int64_t group = heads.in().integerOr("n_heads_in_group", 0, 1, 65536);
  if (!none) own.heads = c.heads;
  if (!none && !linear) {
    if (group == 0 || c.heads % group != 0)
      heads.in().refuse("n_heads_in_group", group == 0 ? "missing" : std::to_string(group), fmt::format("a divisor of {} heads", c.heads));
    else own.kvHeads = c.heads / group;
  }
  double times = hidden.in().numberOr("ffn_mult", 0);
  if (!hidden.on("no_op")) {
    if (!(times > 0 && times <= 1024)) hidden.in().refuse("ffn_mult", fmt::format("{}", times), "a number above 0, at most 1024");
    else own.hidden = hiddenOf(times, c.width);
  }
  for (const Part* part : {&heads, &hidden})
    if (auto good = part->good(); !good) return good.error();
  return own;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.hidden = false}, kActivations);
  c.architecture = "deci";
  c.tied = in.flagOr("tie_word_embeddings", false);
  const JsonValue* blocks = root.find(in.noted("block_configs"));
  const auto* list = blocks == nullptr ? nullptr : blocks->as<JsonArray>();
  if (!in.status()) return in.status().error();
  if (list == nullptr || static_cast<int64_t>(list->size()) != c.layers) {
    std::string is = list != nullptr ? fmt::format("a list of {}", list->size()) : blocks == nullptr ? "missing" : blocks->kind();
    in.refuse("block_configs", is, fmt::format("a list of {}, one of each layer,", c.layers));
    return in.status().error();
  }
  if (c.headSize == 0 && c.width % c.heads == 0) c.headSize = c.width / c.heads;
  for (const JsonValue& block : *list) {
    auto own = layerOf(fields.file(), block, fmt::format("block_configs.{}", c.perLayer.size()), c);
    if (!own) return own.error();
    c.perLayer.push_back(*own);
  }
  c.kvHeads = c.hidden = 1;
  for (const LayerConfig& own : c.perLayer) c.kvHeads = std::max(c.kvHeads, own.kvHeads), c.hidden = std::max(c.hidden, own.hidden);
  return checkedHf(in, fields, root, c, kHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {}, hf); }

}  // namespace

Architecture makeDeci() {
  return {"deci",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.self_attn.linear_attn.weight", "blk.*.attn_output.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
