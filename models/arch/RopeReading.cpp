// models/arch/RopeReading.cpp — see RopeReading.h.
#include "models/arch/RopeReading.h"

#include "models/arch/KnownKeys.h"

#include <algorithm>
#include <cmath>

namespace quern {

static void checkRope(auto& in, const RopeConfig& rope, const std::string& baseKey, const std::string& scalingKey) {
  if (!(rope.base > 0)) in.refuse(baseKey, fmt::format("{}", rope.base), "a number above 0");
  if (!(rope.factor > 0)) in.refuse(scalingKey + "factor", fmt::format("{}", rope.factor), "a number above 0");
  if (!(rope.highFactor > rope.lowFactor && rope.lowFactor > 0))
    in.refuse(scalingKey + "low_freq_factor", fmt::format("{}", rope.lowFactor), "a number above 0 and below high_freq_factor");
  if (!(rope.magnitude > 0 && std::isfinite(rope.magnitude)))
    in.refuse(scalingKey + "attention_factor", fmt::format("{}", rope.magnitude), "a number above 0");
  bool stretched = rope.scaling == RopeConfig::Scaling::Yarn || rope.scaling == RopeConfig::Scaling::Long;
  if (stretched && !(rope.originalContext >= 1))
    in.refuse(scalingKey + "original_max_position_embeddings", fmt::format("{}", rope.originalContext), "a number of 1 or more");
  if (rope.scaling == RopeConfig::Scaling::Yarn && !(rope.betaFast > rope.betaSlow && rope.betaSlow > 0))
    in.refuse(scalingKey + "beta_slow", fmt::format("{}", rope.betaSlow), "a number above 0 and below beta_fast");
  if (rope.scaling == RopeConfig::Scaling::Yarn && !(rope.base > 1)) in.refuse(baseKey, fmt::format("{}", rope.base), "a number above 1");
}

/// What YaRN multiplies cosines and sines by. Source: Peng et al., section 3.4.
static double yarnMagnitude(double factor, double weight = 1) { return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1; }

void readGgufRope(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, RopeConfig& rope) {
  auto key = [&](const char* name) { return arch + ".rope." + name; };
  rope.base = in.numberOr(key("freq_base"), 10000);
  rope.magnitude = in.numberOr(key("scaling.attn_factor"), 1);
  double older = in.numberOr(key("scale_linear"), in.numberOr(key("scale"), 0));
  double factor = in.numberOr(key("scaling.factor"), older);
  std::string type = in.stringOr(key("scaling.type"), "linear");
  if (type == "none" || type.empty() || (type == "linear" && factor == 0)) return checkRope(in, rope, key("freq_base"), key("scaling."));
  using Scaling = RopeConfig::Scaling;
  static constexpr std::pair<std::string_view, Scaling> kScalings[] = {
      {"linear", Scaling::Linear}, {"llama3", Scaling::Llama3}, {"yarn", Scaling::Yarn}, {"longrope", Scaling::Long}};
  auto known = std::find_if(std::begin(kScalings), std::end(kScalings), [&](const auto& each) { return each.first == type; });
  if (known == std::end(kScalings)) return in.refuse(key("scaling.type"), type, "none, linear, llama3, yarn or longrope");
  rope.scaling = known->second;
  rope.factor = metadata.has(key("scaling.factor")) || older != 0 ? factor : 1;
  rope.lowFactor = in.numberOr(key("scaling.low_freq_factor"), rope.lowFactor);
  rope.highFactor = in.numberOr(key("scaling.high_freq_factor"), rope.highFactor);
  double whole = in.numberOr(arch + ".context_length", rope.originalContext);
  rope.originalContext =
      in.numberOr(key("scaling.original_context_length"), rope.scaling == Scaling::Llama3 ? rope.originalContext : whole);
  if (rope.scaling == Scaling::Yarn) {
    rope.betaFast = in.numberOr(key("scaling.yarn_beta_fast"), 32);
    rope.betaSlow = in.numberOr(key("scaling.yarn_beta_slow"), 1);
    rope.magnitude *= yarnMagnitude(rope.factor);
  }
  checkRope(in, rope, key("freq_base"), key("scaling."));
}

/// A list of factors, one of each pair that is turned.
static std::vector<float> factorsOf(Needed<JsonFields>& in, const JsonValue& scaling, const char* key) {
  const JsonValue* given = scaling.find(in.noted(key));
  const auto* list = given == nullptr ? nullptr : given->as<JsonArray>();
  std::vector<float> factors;
  for (const JsonValue& each : list == nullptr ? JsonArray() : *list) {
    auto number = each.number();
    if (!number || !(*number > 0)) in.refuse(key, number ? fmt::format("{}", *number) : each.kind(), "a list of numbers above 0");
    factors.push_back(static_cast<float>(number.value_or(1)));
  }
  if (factors.empty()) in.refuse(key, given == nullptr ? "missing" : given->kind(), "a list of numbers above 0");
  return factors;
}

/// What stretches a context beyond the one of training.
static void readHfStretching(Needed<JsonFields>& in, const JsonValue& scaling, const std::string& type, const HfRope& model,
                             RopeConfig& rope) {
  bool yarn = type == "yarn";
  rope.scaling = yarn ? RopeConfig::Scaling::Yarn : RopeConfig::Scaling::Long;
  auto context = static_cast<double>(model.context);
  rope.originalContext = in.numberOr("original_max_position_embeddings", model.originalContext != 0 ? model.originalContext : context);
  double grown = rope.originalContext >= 1 ? context / rope.originalContext : 1;
  double factor = in.numberOr("factor", grown);
  double given = in.numberOr("attention_factor", in.numberOr("attn_factor", 0));
  if (yarn) {
    rope.factor = factor;
    rope.betaFast = in.numberOr("beta_fast", 32);
    rope.betaSlow = in.numberOr("beta_slow", 1);
    rope.wholePairs = in.flagOr("truncate", true);
    double weight = in.numberOr("mscale", 0), all = in.numberOr("mscale_all_dim", 0);
    bool both = weight != 0 && all != 0;
    rope.magnitude = both ? yarnMagnitude(factor, weight) / yarnMagnitude(factor, all) : yarnMagnitude(factor);
  } else {
    rope.shortFactors = factorsOf(in, scaling, "short_factor");
    rope.longFactors = factorsOf(in, scaling, "long_factor");
    for (const char* key : {"short_mscale", "long_mscale"})
      if (double own = in.numberOr(key, 0); own != 0) given = own;
    rope.magnitude = factor <= 1 || rope.originalContext <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(rope.originalContext));
  }
  if (given != 0) rope.magnitude = given;
}

/// One of the two objects.
static void readHfScaling(Needed<JsonFields>& in, const std::string& file, const std::string& key, const JsonValue& scaling,
                          const HfRope& model, RopeConfig& rope) {
  if (scaling.as<JsonObject>() == nullptr)
    return in.refuse(key, scaling.as<std::string>() != nullptr ? *scaling.as<std::string>() : scaling.kind(), "an object or null");
  JsonFields fields(file + ": " + key, scaling);
  Needed<JsonFields> more(fields);
  std::string type = more.stringOr("rope_type", more.stringOr("type", ""));
  more.noted("type");
  if (type == "su") type = "longrope";
  rope.base = more.numberOr("rope_theta", rope.base);
  if (double part = more.numberOr("partial_rotary_factor", 0); part != 0 && part != model.part)
    more.refuse("partial_rotary_factor", fmt::format("{}", part), fmt::format("{}", model.part));
  bool stretched = type == "yarn" || type == "longrope";
  if (stretched) readHfStretching(more, scaling, type, model, rope);
  if (type == "linear" || type == "llama3") {
    rope.scaling = type == "linear" ? RopeConfig::Scaling::Linear : RopeConfig::Scaling::Llama3;
    rope.factor = more.number("factor");
  }
  if (type == "llama3") {
    rope.lowFactor = more.number("low_freq_factor");
    rope.highFactor = more.number("high_freq_factor");
    rope.originalContext = more.number("original_max_position_embeddings");
  }
  // What a type has no use for changes nothing under it, but for where dynamic scaling begins: at the context's end, or so it is taken.
  static constexpr std::string_view kUnused[] = {"original_max_position_embeddings", "factor", "low_freq_factor", "high_freq_factor",
                                                 "finetuned"};
  auto unused = std::span(kUnused).subspan(type == "dynamic" ? 1 : 0);
  bool known = stretched || type == "none" || type == "default" || type == "dynamic" || type == "linear" || type == "llama3";
  if (!known && !type.empty()) more.refuse("rope_type", type, "none, default, dynamic, linear, llama3, yarn or longrope");
  bool bare = type.empty() && (fields.has("factor") || fields.has("original_max_position_embeddings"));
  if (bare) more.refuse("rope_type", "missing", "default, dynamic, linear, llama3, yarn or longrope");
  auto checked = checkKeys(file, scaling, {more.read(), unused}, key + ".");
  if (!more.status() || !checked) in.fail(!more.status() ? more.status().error() : checked.error());
}

/// Both kinds of layers by themselves: those that see all, and those with a window.
static void readHfKinds(Needed<JsonFields>& in, const std::string& file, const std::string& key, const JsonValue& kinds,
                        const HfRope& model, RopeConfig& rope) {
  JsonFields fields(file + ": " + key, kinds);
  Needed<JsonFields> more(fields);
  RopeConfig& local = model.local->emplace();
  local.pairs = rope.pairs;
  for (auto [kind, into] : {std::pair{"full_attention", &rope}, {"sliding_attention", &local}}) {
    const JsonValue* own = kinds.find(more.noted(kind));
    if (own == nullptr) in.refuse(key + "." + kind, "missing", "an object beside the other kind's");
    else readHfScaling(in, file, key + "." + kind, *own, model, *into);
  }
  if (auto checked = checkKeys(file, kinds, {more.read(), {}}, key + "."); in.status() && !checked) in.fail(checked.error());
  std::string own = key + ".sliding_attention.";
  if (in.status()) checkRope(in, local, own + "rope_theta", own);
}

void readHfRope(Needed<JsonFields>& in, const std::string& file, const JsonValue& root, const HfRope& model, RopeConfig& rope) {
  rope.base = in.numberOr("rope_theta", model.base);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const JsonValue* scaling = root.find(in.noted(key));
    bool nothing = scaling == nullptr || scaling->as<std::nullptr_t>() != nullptr;
    bool byKind = !nothing && model.local != nullptr && (scaling->find("full_attention") || scaling->find("sliding_attention"));
    if (byKind) readHfKinds(in, file, key, *scaling, model, rope);
    else if (!nothing) readHfScaling(in, file, key, *scaling, model, rope);
  }
  if (in.status()) checkRope(in, rope, "rope_theta", "rope_scaling.");
}

}  // namespace quern
