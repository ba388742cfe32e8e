// models/arch/RopeReading.cpp — see RopeReading.h.
#include "models/arch/RopeReading.h"

#include "models/arch/KnownKeys.h"

namespace quern {

static void checkRope(auto& in, const RopeConfig& rope, const std::string& baseKey, const std::string& scalingKey) {
  if (!(rope.base > 0)) in.refuse(baseKey, fmt::format("{}", rope.base), "a number above 0");
  if (!(rope.factor > 0)) in.refuse(scalingKey + "factor", fmt::format("{}", rope.factor), "a number above 0");
  if (!(rope.highFactor > rope.lowFactor && rope.lowFactor > 0))
    in.refuse(scalingKey + "low_freq_factor", fmt::format("{}", rope.lowFactor), "a number above 0 and below high_freq_factor");
}

void readGgufRope(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, RopeConfig& rope) {
  auto key = [&](const char* name) { return arch + ".rope." + name; };
  rope.base = in.numberOr(key("freq_base"), 10000);
  double older = in.numberOr(key("scale_linear"), in.numberOr(key("scale"), 0));
  double factor = in.numberOr(key("scaling.factor"), older);
  std::string type = in.stringOr(key("scaling.type"), "linear");
  if (type == "none" || type.empty() || (type == "linear" && factor == 0)) return checkRope(in, rope, key("freq_base"), key("scaling."));
  if (type != "linear" && type != "llama3") return in.refuse(key("scaling.type"), type, "none, linear or llama3");
  rope.scaling = type == "linear" ? RopeConfig::Scaling::Linear : RopeConfig::Scaling::Llama3;
  rope.factor = metadata.has(key("scaling.factor")) || older != 0 ? factor : 1;
  rope.lowFactor = in.numberOr(key("scaling.low_freq_factor"), rope.lowFactor);
  rope.highFactor = in.numberOr(key("scaling.high_freq_factor"), rope.highFactor);
  rope.originalContext = in.numberOr(key("scaling.original_context_length"), rope.originalContext);
  checkRope(in, rope, key("freq_base"), key("scaling."));
}

/// One of the two objects.
static void readHfScaling(Needed<JsonFields>& in, const std::string& file, const std::string& key, const JsonValue& scaling,
                          RopeConfig& rope) {
  if (scaling.as<JsonObject>() == nullptr)
    return in.refuse(key, scaling.as<std::string>() != nullptr ? *scaling.as<std::string>() : scaling.kind(), "an object or null");
  JsonFields fields(file + ": " + key, scaling);
  Needed<JsonFields> more(fields);
  std::string type = more.stringOr("rope_type", more.stringOr("type", ""));
  more.noted("type");
  rope.base = more.numberOr("rope_theta", rope.base);
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
  bool known = type == "none" || type == "default" || type == "dynamic" || type == "linear" || type == "llama3";
  if (!known && !type.empty()) more.refuse("rope_type", type, "none, default, dynamic, linear or llama3");
  bool bare = type.empty() && (fields.has("factor") || fields.has("original_max_position_embeddings"));
  if (bare) more.refuse("rope_type", "missing", "default, dynamic, linear or llama3");
  auto checked = checkKeys(file, scaling, {more.read(), unused}, key + ".");
  if (!more.status() || !checked) in.fail(!more.status() ? more.status().error() : checked.error());
}

void readHfRope(Needed<JsonFields>& in, const std::string& file, const JsonValue& root, RopeConfig& rope) {
  rope.base = in.numberOr("rope_theta", 10000);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const JsonValue* scaling = root.find(in.noted(key));
    bool nothing = scaling == nullptr || scaling->as<std::nullptr_t>() != nullptr;
    if (!nothing) readHfScaling(in, file, key, *scaling, rope);
  }
  if (in.status()) checkRope(in, rope, "rope_theta", "rope_scaling.");
}

}  // namespace quern
