// models/tokenizer/HfPipeline.cpp — see HfPipeline.h.
#include "models/tokenizer/HfPipeline.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/HfStages.h"
#include "models/tokenizer/PatternCutter.h"

#include <fmt/format.h>

namespace quern {

Error HfStages::bad(const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file_), why)); }

Error HfStages::unsupported(std::string_view type, std::string_view supported) const {
  return bad(fmt::format("'{}' is of type '{}'; supported: {}", where_, escapedShort(type), supported));
}

Result<void> HfStages::each(const std::string& where, const JsonValue* stage, std::string_view list, Stage read) {
  if (stage == nullptr || stage->as<std::nullptr_t>() != nullptr) return {};
  where_ = where;
  const JsonValue* type = stage->find("type");
  const auto* name = type == nullptr ? nullptr : type->as<std::string>();
  if (name == nullptr) return bad(fmt::format("'{}' is {} without a type", where, stage->kind()));
  if (*name != "Sequence") return (this->*read)(*stage, *name);
  const JsonValue* parts = stage->find(list);
  const auto* array = parts == nullptr ? nullptr : parts->as<JsonArray>();
  if (array == nullptr) return bad(fmt::format("'{}' is a Sequence without an array '{}'", where, list));
  for (size_t i = 0; i < array->size(); ++i) {
    if (auto good = each(fmt::format("{}.{}.{}", where, list, i), &(*array)[i], list, read); !good) return good;
  }
  return {};
}

Result<std::string> HfStages::needed(const JsonValue& stage, std::string_view key) const {
  auto text = JsonFields(file_, stage).string(key);
  if (!text) return text.error();
  if (text->value_or("").empty()) return bad(fmt::format("'{}.{}' is missing, a string is needed", where_, key));
  return std::string(**text);
}

Result<bool> HfStages::flag(const JsonValue& stage, std::string_view key, bool fallback) const {
  auto given = JsonFields(file_, stage).boolean(key);
  if (!given) return given.error();
  return given->value_or(fallback);
}

std::string_view HfStages::regexOf(const JsonValue& stage) const {
  const JsonValue* pattern = stage.find("pattern");
  const JsonValue* regex = pattern == nullptr ? nullptr : pattern->find("Regex");
  const auto* text = regex == nullptr ? nullptr : regex->as<std::string>();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

Result<std::string> HfStages::patternOf(const JsonValue& stage) const {
  const JsonValue* pattern = stage.find("pattern");
  const JsonValue* regex = pattern == nullptr ? nullptr : pattern->find("Regex");
  const JsonValue* literal = pattern == nullptr ? nullptr : pattern->find("String");
  const JsonValue* given = regex != nullptr ? regex : literal;
  const auto* text = given == nullptr ? nullptr : given->as<std::string>();
  if (text == nullptr || text->empty()) return bad(fmt::format("'{}.pattern' has no string 'Regex' or 'String'", where_));
  auto translated = regex != nullptr ? pcrePattern(*text) : Result<std::string>(literalPattern(*text));
  if (!translated) return bad(fmt::format("'{}': {}", where_, translated.error().message));
  return translated;
}

/// Blanks become U+2581 behind all other steps where that is what the normalizer comes to: quicker than steps, and what decoding undoes.
Result<void> HfStages::finish() {
  std::vector<NormalStep>& steps = pipeline.normal;
  auto isPrefix = [](const NormalStep& step) { return step.kind == NormalKind::Prepend && step.text == kBlankText; };
  auto isBlank = [](const NormalStep& step) {
    return step.kind == NormalKind::Replace && step.pattern == literalPattern(" ") && step.text == kBlankText;
  };
  size_t blanks = 0, prefixes = 0;
  for (const NormalStep& step : steps) blanks += isBlank(step), prefixes += isPrefix(step);
  pipeline.blanks = pipeline.blanks || blanks > 0;
  pipeline.prefixed = pipeline.prefixed || prefixes > 0;
  // Whichever of the two comes first: what is put in front is no blank.
  if (blanks == 1 && prefixes <= 1 && blanks + prefixes == steps.size() && !pipeline.metaspace) {
    if (prefixes == 1) pipeline.prefix = SpacePrefix::EachPart;
    pipeline.escapes = true;
    steps.clear();
  }
  if (pipeline.byteLevel && pipeline.blanks)
    return bad("blanks become U+2581 and the pre-tokenizer is ByteLevel, one of the two is supported");
  return {};
}

Result<HfPipeline> readHfPipeline(const std::string& file, const JsonValue* normalizer, const JsonValue* preTokenizer,
                                  const JsonValue* postProcessor) {
  HfStages stages(file);
  if (auto good = stages.each("normalizer", normalizer, "normalizers", &HfStages::normalizer); !good) return good.error();
  if (auto good = stages.each("pre_tokenizer", preTokenizer, "pretokenizers", &HfStages::preTokenizer); !good) return good.error();
  if (auto good = stages.each("post_processor", postProcessor, "processors", &HfStages::postProcessor); !good) return good.error();
  if (auto good = stages.finish(); !good) return good.error();
  return std::move(stages.pipeline);
}

}  // namespace quern
