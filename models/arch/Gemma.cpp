// models/arch/Gemma.cpp — the first Gemma: Llama's layers with scaled embeddings, RMSNorm whose gains folders store as distance from 1,
// and a gate of gelu.
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n),      n = RmsNorm(x)
//   x = x + Wdown (gelu_tanh(Wgate n) * Wup n),         n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <cmath>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"gemma"};
constexpr HfName kHfNames[] = {{"GemmaForCausalLM", "gemma"}};
/// Published as "gelu", it was trained with the approximation by tanh.
constexpr std::string_view kActivations[] = {"gelu_pytorch_tanh", "gelu"};
constexpr std::string_view kGemmaHarmlessHf[] = {"attention_bias"};

void begin(ModelConfig& c) {
  c.architecture = "gemma";
  c.embeddingScale = std::sqrt(static_cast<float>(c.width));
}

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.sizes = LayerSizes::Own});
  begin(c);
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  begin(c);
  if (std::string act = in.stringOr("hidden_activation", "gelu_pytorch_tanh"); act != "gelu_pytorch_tanh")
    in.refuse("hidden_activation", act, "gelu_pytorch_tanh");
  if (c.headSize == 0) c.headSize = 256;
  c.tied = in.flagOr("tie_word_embeddings", true);
  return checkedHf(in, fields, root, c, kGemmaHarmlessHf);
}

/// GGUF has gains as they are.
void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) {
  plainDecoder(g, {.gate = ScalarFn::GeluTanh, .plus = hf ? 1.0f : 0.0f}, hf);
}

}  // namespace

Architecture makeGemma() {
  return {
      "gemma",          kGgufNames, kHfNames, decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"}}),
      decoderIgnored(), readGguf,   readHf,   build};
}

}  // namespace quern
