// models/arch/Bert.cpp — BERT and RoBERTa: learned positions, every row sees its whole text, a LayerNorm behind what each part adds.
//
//   x = LayerNorm(word + position + segment)
//   x = LayerNorm(x + Wo Attn(Wq x, Wk x, Wv x))
//   x = LayerNorm(x + Wdown gelu(Wup x))
#include "models/arch/Architecture.h"
#include "models/arch/Blocks.h"
#include "models/arch/GgufSizes.h"
#include "models/arch/KnownKeys.h"
#include "models/arch/Needed.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"bert"};
/// sentence-transformers leaves the class of what it began with, and saves the model itself.
constexpr HfName kHfNames[] = {{"BertModel", "bert"},       {"RobertaModel", "roberta"},       {"XLMRobertaModel", "xlm-roberta"},
                               {"BertForMaskedLM", "bert"}, {"RobertaForMaskedLM", "roberta"}, {"XLMRobertaForMaskedLM", "xlm-roberta"}};
constexpr WeightName kHfWeights[] = {
    {"embeddings.word_embeddings.weight", "token_embd.weight"},
    {"embeddings.position_embeddings.weight", "position_embd.weight"},
    {"embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"embeddings.LayerNorm.weight", "token_embd_norm.weight"},
    {"embeddings.LayerNorm.bias", "token_embd_norm.bias"},
    {"encoder.layer.*.attention.self.query.weight", "blk.*.attn_q.weight"},
    {"encoder.layer.*.attention.self.query.bias", "blk.*.attn_q.bias"},
    {"encoder.layer.*.attention.self.key.weight", "blk.*.attn_k.weight"},
    {"encoder.layer.*.attention.self.key.bias", "blk.*.attn_k.bias"},
    {"encoder.layer.*.attention.self.value.weight", "blk.*.attn_v.weight"},
    {"encoder.layer.*.attention.self.value.bias", "blk.*.attn_v.bias"},
    {"encoder.layer.*.attention.output.dense.weight", "blk.*.attn_output.weight"},
    {"encoder.layer.*.attention.output.dense.bias", "blk.*.attn_output.bias"},
    {"encoder.layer.*.attention.output.LayerNorm.weight", "blk.*.attn_output_norm.weight"},
    {"encoder.layer.*.attention.output.LayerNorm.bias", "blk.*.attn_output_norm.bias"},
    {"encoder.layer.*.intermediate.dense.weight", "blk.*.ffn_up.weight"},
    {"encoder.layer.*.intermediate.dense.bias", "blk.*.ffn_up.bias"},
    {"encoder.layer.*.output.dense.weight", "blk.*.ffn_down.weight"},
    {"encoder.layer.*.output.dense.bias", "blk.*.ffn_down.bias"},
    {"encoder.layer.*.output.LayerNorm.weight", "blk.*.layer_output_norm.weight"},
    {"encoder.layer.*.output.LayerNorm.bias", "blk.*.layer_output_norm.bias"},
};
/// What older files carry, and the layer of a task that vectors of texts are not made with.
constexpr std::string_view kIgnored[] = {"embeddings.position_ids",
                                         "pooler.dense.weight",
                                         "pooler.dense.bias",
                                         "bert.embeddings.position_ids",
                                         "bert.pooler.dense.weight",
                                         "bert.pooler.dense.bias",
                                         "roberta.embeddings.position_ids",
                                         "roberta.pooler.dense.weight",
                                         "roberta.pooler.dense.bias",
                                         "lm_head.bias",
                                         "lm_head.dense.weight",
                                         "lm_head.dense.bias",
                                         "lm_head.layer_norm.weight",
                                         "lm_head.layer_norm.bias",
                                         "lm_head.decoder.weight",
                                         "lm_head.decoder.bias",
                                         "cls.predictions.bias",
                                         "cls.predictions.transform.dense.weight",
                                         "cls.predictions.transform.dense.bias",
                                         "cls.predictions.transform.LayerNorm.weight",
                                         "cls.predictions.transform.LayerNorm.bias",
                                         "cls.predictions.decoder.weight",
                                         "cls.predictions.decoder.bias",
                                         "cls.seq_relationship.weight",
                                         "cls.seq_relationship.bias"};
constexpr std::string_view kBertHarmlessHf[] = {"classifier_dropout", "vocab_type", "pooler_*", "directionality"};

/// The names, and those under which a model with a task's head has them.
std::vector<WeightName> weightNames() {
  static const std::vector<std::string> kUnder = [] {
    std::vector<std::string> all;
    for (const char* model : {"bert.", "roberta."})
      for (const WeightName& each : kHfWeights) all.push_back(model + std::string(each.stored));
    return all;
  }();
  std::vector<WeightName> names(std::begin(kHfWeights), std::end(kHfWeights));
  for (size_t i = 0; i < kUnder.size(); ++i) names.push_back({kUnder[i], kHfWeights[i % std::size(kHfWeights)].name});
  return names;
}

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c = ggufSizes(in, metadata, arch);
  c.architecture = "bert";
  c.encoder = true;
  c.gelu = "erf";
  c.eps = static_cast<float>(in.number(key("attention.layer_norm_epsilon")));
  if (in.flagOr(key("attention.causal"), false)) in.refuse(key("attention.causal"), "true", "false");
  c.segments = in.integerOr("tokenizer.ggml.token_type_count", 0, 0, 65536);
  int64_t pooling = in.integerOr(key("pooling_type"), 1, 0, 4);
  if (pooling != 1 && pooling != 2) in.refuse(key("pooling_type"), std::to_string(pooling), "1 (mean) or 2 (the first token's)");
  c.pooling = pooling == 2 ? Pooling::First : Pooling::Mean;
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(metadata, arch, {in.read(), {}}); !good) return good.error();
  return c;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c;
  c.architecture = "bert";
  c.encoder = true;
  c.name = name.name;
  c.layers = in.integer("num_hidden_layers", 1, 4096);
  c.context = in.integer("max_position_embeddings");
  c.width = in.integer("hidden_size");
  c.hidden = in.integer("intermediate_size");
  c.heads = in.integer("num_attention_heads", 1, 65536);
  c.vocab = in.integer("vocab_size");
  c.segments = in.integerOr("type_vocab_size", 2, 0, 65536);
  c.eps = static_cast<float>(in.numberOr("layer_norm_eps", 1e-12));
  std::string act = in.stringOr("hidden_act", "gelu");
  c.gelu = act == "gelu" ? "erf" : "tanh";
  if (act != "gelu" && act != "gelu_new" && act != "gelu_pytorch_tanh") in.refuse("hidden_act", act, "gelu, gelu_new or gelu_pytorch_tanh");
  if (std::string kind = in.stringOr("position_embedding_type", "absolute"); kind != "absolute")
    in.refuse("position_embedding_type", kind, "absolute");
  if (name.modelType != "bert") {  // positions begin behind that of padding
    c.firstPosition = in.integerOr("pad_token_id", 1, 0, 1 << 20) + 1;
    if (in.status() && c.context <= c.firstPosition)
      in.refuse("max_position_embeddings", std::to_string(c.context), fmt::format("more than {}", c.firstPosition));
    c.context -= c.firstPosition;
  }
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(fields.file(), root, {in.read(), kBertHarmlessHf}); !good) return good.error();
  return c;
}

void build(ModelGraph& g, const ModelConfig& c, bool /*hf*/) {
  ScalarFn gelu = g.function("gelu_" + c.gelu);
  GraphRows x = g.sum(g.embedding("token_embd.weight"), g.positions("position_embd.weight", c.context + c.firstPosition));
  if (c.segments > 0) x = g.plusFirst(x, "token_types.weight", c.segments);
  x = g.layerNorm(x, "token_embd_norm.weight", "token_embd_norm.bias");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    LayerHeads heads = headsOf(g, x, blk);
    GraphRows added = g.linear(g.textAttention(heads.q, heads.k, heads.v), {{blk + "attn_output", c.width}});
    x = g.layerNormOfSum(x, added, blk + "attn_output_norm.weight", blk + "attn_output_norm.bias");
    x = g.layerNormOfSum(x, feedForward(g, x, blk, gelu), blk + "layer_output_norm.weight", blk + "layer_output_norm.bias");
    if (!g.status()) return;
  }
  g.vectors(x);
}

}  // namespace

Architecture makeBert() { return {"bert", kGgufNames, kHfNames, weightNames(), kIgnored, readGguf, readHf, build}; }

}  // namespace quern
