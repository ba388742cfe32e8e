// models/arch/SmolLm3.cpp — SmolLM3: Llama's layers, of which every fourth knows no positions.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"smollm3"};
constexpr HfName kHfNames[] = {{"SmolLM3ForCausalLM", "smollm3"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kSmolHarmlessHf[] = {"attention_bias", "mlp_bias"};

void setTurned(ModelConfig& c, const std::function<bool(int64_t layer)>& turned) {
  c.architecture = "smollm3";
  c.perLayer.resize(static_cast<size_t>(c.layers));
  for (int64_t i = 0; i < c.layers; ++i) c.perLayer[static_cast<size_t>(i)].turned = turned(i);
}

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.pairs = RopePairs::Adjacent, .sizes = LayerSizes::Own});
  setTurned(c, [](int64_t i) { return (i + 1) % 4 != 0; });
  return checkedGguf(in, metadata, arch, c);
}

/// "no_rope_layers": a 1 for each layer that is turned, by its name the other way round.
std::optional<std::vector<bool>> turnedLayers(Needed<JsonFields>& in, const JsonValue& root, int64_t layers) {
  const JsonValue* flags = root.find(in.noted("no_rope_layers"));
  if (flags == nullptr || flags->as<std::nullptr_t>() != nullptr) return std::nullopt;
  const auto* list = flags->as<JsonArray>();
  std::vector<bool> turned;
  for (const JsonValue& flag : list == nullptr ? JsonArray() : *list) {
    auto number = flag.number();
    if (!number || (*number != 0 && *number != 1)) in.refuse("no_rope_layers", flag.kind(), "a list of 0 and 1");
    turned.push_back(number && *number == 1);
  }
  if (list == nullptr || static_cast<int64_t>(turned.size()) != layers)
    in.refuse("no_rope_layers", list == nullptr ? flags->kind() : fmt::format("a list of {}", turned.size()),
              fmt::format("a list of {}, one of each layer,", layers));
  return turned;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.tied = in.flagOr("tie_word_embeddings", true);
  int64_t interval = in.integerOr("no_rope_layer_interval", 4, 1, 4096);
  auto turned = turnedLayers(in, root, c.layers);
  if (!in.status()) return in.status().error();
  setTurned(c, [&](int64_t i) { return turned ? (*turned)[static_cast<size_t>(i)] : (i + 1) % interval != 0; });
  hfWindows(in, root, c);
  return checkedHf(in, fields, root, c, kSmolHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {}, hf); }

}  // namespace

Architecture makeSmolLm3() {
  return {
      "smollm3",        kGgufNames, kHfNames, decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"}}),
      decoderIgnored(), readGguf,   readHf,   build};
}

}  // namespace quern
