// models/arch/Granite.cpp — Granite: Llama's layers with a number that embeddings, scores, what layers add, and logits are multiplied by.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"granite"};
constexpr HfName kHfNames[] = {{"GraniteForCausalLM", "granite"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kGraniteHarmlessHf[] = {"attention_bias", "mlp_bias"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.pairs = RopePairs::Adjacent, .scaled = true});
  c.architecture = "granite";
  std::string experts = arch + ".expert_count", finetuned = arch + ".rope.scaling.finetuned";
  if (int64_t count = in.integerOr(experts, 0, 0); count > 0)
    in.refuse(experts, std::to_string(count), "0 (mixtures of experts are not built)");
  if (!in.flagOr(finetuned, true)) in.refuse(finetuned, "false", "true");
  c.embeddingScale = in.numberOr(arch + ".embedding_scale", 1);
  c.residualScale = in.numberOr(arch + ".residual_scale", 1);
  double divisor = in.number(arch + ".logit_scale");
  if (in.status() && divisor == 0) in.refuse(arch + ".logit_scale", "0", "another number");
  c.logitScale = divisor == 0 ? 1 : 1 / divisor;
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.architecture = "granite";
  c.tied = in.flagOr("tie_word_embeddings", false);
  c.embeddingScale = in.numberOr("embedding_multiplier", 1);
  c.residualScale = in.numberOr("residual_multiplier", 1);
  c.attentionScale = in.numberOr("attention_multiplier", 1);
  double divisor = in.numberOr("logits_scaling", 1);
  if (divisor == 0) in.refuse("logits_scaling", "0", "another number");
  c.logitScale = 1 / divisor;
  return checkedHf(in, fields, root, c, kGraniteHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {}, hf); }

}  // namespace

Architecture makeGranite() {
  return {
      "granite",        kGgufNames, kHfNames, decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"}}),
      decoderIgnored(), readGguf,   readHf,   build};
}

}  // namespace quern
