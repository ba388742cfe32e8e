// models/arch/Olmoe.cpp — OLMoE: Llama's layers with a norm over all of q and all of k, and a mixture of experts whose weights are the
// softmax over all of them.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"olmoe"};
constexpr HfName kHfNames[] = {{"OlmoeForCausalLM", "olmoe"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kHarmlessHf[] = {"attention_bias", "router_aux_loss_coef", "output_router_logits"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.sizes = LayerSizes::Own});
  c.architecture = "olmoe";
  c.normalisedExperts = in.flagOr(arch + ".expert_weights_norm", false);
  ggufExperts(in, arch, c);
  if (in.status() && c.experts == 0) in.refuse(arch + ".expert_count", "0", "1 or more");
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.eps = 1e-5}, kActivations);
  c.architecture = "olmoe";
  c.tied = in.flagOr("tie_word_embeddings", false);
  c.experts = in.integerOr("num_experts", 64, 1, 65536);
  c.usedExperts = in.integerOr("num_experts_per_tok", 8, 1, std::min<int64_t>(c.experts, 256));
  c.expertHidden = c.hidden;
  c.normalisedExperts = in.flagOr("norm_topk_prob", false);
  return checkedHf(in, fields, root, c, kHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {.rowNorms = true}, hf); }

}  // namespace

Architecture makeOlmoe() { return {"olmoe", kGgufNames, kHfNames, mixtureWeights(), decoderIgnored(), readGguf, readHf, build}; }

}  // namespace quern
