// models/tokenizer/HfPipeline.cpp — see HfPipeline.h.
#include "models/tokenizer/HfPipeline.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/PatternCutter.h"

#include <fmt/format.h>
#include <iterator>

namespace quern {

namespace {

struct KnownPattern {
  std::string_view text;
  SplitRule rule;
};
constexpr KnownPattern kPatterns[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", SplitRule::Gpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     SplitRule::Llama3},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", SplitRule::Qwen2},
};
constexpr std::string_view kBlankText = "\xe2\x96\x81";

class StageReader {
public:
  explicit StageReader(std::string file) : file_(std::move(file)) {}

  using Stage = Result<void> (StageReader::*)(const JsonValue& stage, std::string_view type);

  /// One stage, or each of a sequence whose list is called `list`.
  Result<void> each(const std::string& where, const JsonValue* stage, std::string_view list, Stage read) {
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

  Result<void> normalizer(const JsonValue& stage, std::string_view type);
  Result<void> preTokenizer(const JsonValue& stage, std::string_view type);
  Result<void> postProcessor(const JsonValue& stage, std::string_view type);

  HfPipeline pipeline;

private:
  Error bad(const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file_), why)); }
  Error unsupported(std::string_view type, std::string_view supported) const {
    return bad(fmt::format("'{}' is of type '{}'; supported: {}", where_, escapedShort(type), supported));
  }
  Result<CutBehavior> behaviorOf(const JsonValue& stage, std::string_view fallback) const;
  Result<bool> namedCut(const JsonValue& stage, std::string_view type);
  Result<void> needBlank(const JsonValue& stage, std::string_view key);
  Result<void> split(const JsonValue& stage);
  Result<void> metaspace(const JsonValue& stage);
  Result<int32_t> specialId(const JsonValue& stage, const JsonValue& step) const;

  std::string file_, where_;
  SplitRule last_ = SplitRule::None;  ///< what the last of the cuts is as a rule, which is quicker
};

/// The string `key` of a stage is U+2581.
Result<void> StageReader::needBlank(const JsonValue& stage, std::string_view key) {
  auto text = JsonFields(file_, stage).string(key);
  if (!text) return text.error();
  if (text->value_or("") != kBlankText)
    return bad(fmt::format("'{}.{}' is '{}', U+2581 is supported", where_, key, escapedShort(text->value_or(""))));
  return {};
}

Result<void> StageReader::normalizer(const JsonValue& stage, std::string_view type) {
  if (type == "NFC") {
    pipeline.nfc = true;
    return {};
  }
  if (type == "Prepend") {
    // Behind a Replace the order would not matter either: what is put in front is not a blank.
    pipeline.prefix = SpacePrefix::EachPart;
    return needBlank(stage, "prepend");
  }
  if (type != "Replace") return unsupported(type, "NFC, Prepend, Replace, Sequence");
  const JsonValue* pattern = stage.find("pattern");
  const JsonValue* text = pattern == nullptr ? nullptr : pattern->find("String");
  if (text == nullptr || text->as<std::string>() == nullptr || *text->as<std::string>() != " ")
    return bad(fmt::format("'{}' replaces something else than the blank, which alone is supported", where_));
  pipeline.blanks = true;
  return needBlank(stage, "content");
}

/// `behavior` of a stage; `fallback` where it says none.
Result<CutBehavior> StageReader::behaviorOf(const JsonValue& stage, std::string_view fallback) const {
  auto given = JsonFields(file_, stage).string("behavior");
  if (!given) return given.error();
  static constexpr std::pair<std::string_view, CutBehavior> kAll[] = {{"Isolated", CutBehavior::Isolated},
                                                                      {"Removed", CutBehavior::Removed},
                                                                      {"Contiguous", CutBehavior::Contiguous},
                                                                      {"MergedWithPrevious", CutBehavior::MergedWithPrevious},
                                                                      {"MergedWithNext", CutBehavior::MergedWithNext}};
  std::string_view name = given->value_or(fallback);
  for (const auto& [known, behavior] : kAll)
    if (known == name) return behavior;
  return bad(fmt::format("'{}.behavior' is '{}'; Isolated, Removed, Contiguous, MergedWithPrevious and MergedWithNext are legal", where_,
                         escapedShort(name)));
}

Result<void> StageReader::split(const JsonValue& stage) {
  auto behavior = behaviorOf(stage, "");
  if (!behavior) return behavior.error();
  auto invert = JsonFields(file_, stage).boolean("invert");
  if (!invert) return invert.error();
  const JsonValue* pattern = stage.find("pattern");
  const JsonValue* regex = pattern == nullptr ? nullptr : pattern->find("Regex");
  const JsonValue* literal = pattern == nullptr ? nullptr : pattern->find("String");
  const JsonValue* given = regex != nullptr ? regex : literal;
  const auto* text = given == nullptr ? nullptr : given->as<std::string>();
  if (text == nullptr || text->empty()) return bad(fmt::format("'{}.pattern' has no string 'Regex' or 'String'", where_));
  auto translated = regex != nullptr ? pcrePattern(*text) : Result<std::string>(literalPattern(*text));
  if (!translated) return bad(fmt::format("'{}': {}", where_, translated.error().message));
  last_ = SplitRule::None;
  // These leave nothing between their matches, so cutting the matches out is the same as keeping them apart.
  bool apart = *behavior == CutBehavior::Isolated || (*behavior == CutBehavior::Removed && invert->value_or(false));
  for (const KnownPattern& known : kPatterns)
    if (apart && regex != nullptr && known.text == *text) last_ = known.rule;
  pipeline.cuts.push_back({std::move(*translated), *behavior, invert->value_or(false)});
  return {};
}

/// Stages that are a pattern under another name. False: no such one.
Result<bool> StageReader::namedCut(const JsonValue& stage, std::string_view type) {
  const std::string space = fmt::format("[{}]", kWhiteSpaceClass), sign = R"([\p{P}!-\/:-@\[-`{-~])";
  std::vector<CutStep> cuts;
  if (type == "Digits") {
    auto single = JsonFields(file_, stage).boolean("individual_digits");
    if (!single) return single.error();
    cuts.push_back({R"(\p{N})", single->value_or(false) ? CutBehavior::Isolated : CutBehavior::Contiguous});
  } else if (type == "Punctuation") {
    auto behavior = behaviorOf(stage, "Isolated");
    if (!behavior) return behavior.error();
    cuts.push_back({sign, *behavior});
  } else if (type == "Whitespace") {
    constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control})";
    cuts.push_back({fmt::format("[{0}]+|[^{0}{1}]+", kWord, kWhiteSpaceClass), CutBehavior::Removed, true});
  } else if (type == "WhitespaceSplit") {
    cuts.push_back({space, CutBehavior::Removed});
  } else if (type == "CharDelimiterSplit") {
    auto text = JsonFields(file_, stage).string("delimiter");
    if (!text) return text.error();
    if (text->value_or("").empty()) return bad(fmt::format("'{}.delimiter' is missing, a character is needed", where_));
    cuts.push_back({literalPattern(**text), CutBehavior::Removed});
  } else if (type == "BertPreTokenizer") {
    cuts = {{space, CutBehavior::Removed}, {sign}};
  }
  if (!cuts.empty()) last_ = SplitRule::None;
  std::move(cuts.begin(), cuts.end(), std::back_inserter(pipeline.cuts));
  return !cuts.empty();
}

Result<void> StageReader::metaspace(const JsonValue& stage) {
  if (!pipeline.cuts.empty() || pipeline.metaspace || pipeline.byteLevel)
    return bad(fmt::format("'{}' is a Metaspace behind another pre-tokenizer, which is not supported", where_));
  if (auto good = needBlank(stage, "replacement"); !good) return good;
  JsonFields fields(file_, stage);
  auto scheme = fields.string("prepend_scheme");
  if (!scheme) return scheme.error();
  auto prefixSpace = fields.boolean("add_prefix_space");
  if (!prefixSpace) return prefixSpace.error();
  auto cut = fields.boolean("split");
  if (!cut) return cut.error();
  std::string_view named = scheme->value_or(prefixSpace->value_or(true) ? "always" : "never");
  if (named == "always") pipeline.prefix = SpacePrefix::EachPartUnlessThere;
  else if (named == "first") pipeline.prefix = SpacePrefix::FirstUnlessThere;
  else if (named != "never")
    return bad(fmt::format("'{}.prepend_scheme' is '{}', always, first and never are legal", where_, escapedShort(named)));
  pipeline.blanks = pipeline.metaspace = true;
  pipeline.rule = cut->value_or(true) ? SplitRule::Words : SplitRule::None;
  return {};
}

Result<void> StageReader::preTokenizer(const JsonValue& stage, std::string_view type) {
  if (type == "Metaspace") return metaspace(stage);
  if (pipeline.metaspace || pipeline.byteLevel)
    return bad(
        fmt::format("'{}' stands behind {}, which is supported as the last one", where_, pipeline.byteLevel ? "ByteLevel" : "Metaspace"));
  if (type == "Split") return split(stage);
  auto cut = namedCut(stage, type);
  if (!cut) return cut.error();
  if (*cut) return {};
  if (type != "ByteLevel")
    return unsupported(type,
                       "ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit, "
                       "BertPreTokenizer, Sequence");
  JsonFields fields(file_, stage);
  auto prefixSpace = fields.boolean("add_prefix_space");
  if (!prefixSpace) return prefixSpace.error();
  auto regex = fields.boolean("use_regex");
  if (!regex) return regex.error();
  bool alone = pipeline.cuts.empty();
  if (prefixSpace->value_or(false) && alone) pipeline.prefix = SpacePrefix::EachPartUnlessThere;
  pipeline.blankBeforePieces = prefixSpace->value_or(false) && !alone;
  if (regex->value_or(true)) pipeline.rule = SplitRule::Gpt2;
  else if (last_ != SplitRule::None && !pipeline.blankBeforePieces) {
    pipeline.rule = last_;
    pipeline.cuts.pop_back();
  }
  pipeline.byteLevel = true;
  return {};
}

/// The id of {"SpecialToken": {"id": NAME}} by the stage's table of special tokens; -1 for the text itself.
Result<int32_t> StageReader::specialId(const JsonValue& stage, const JsonValue& step) const {
  if (step.find("Sequence") != nullptr) return -1;
  const JsonValue* token = step.find("SpecialToken");
  const JsonValue* name = token == nullptr ? nullptr : token->find("id");
  const auto* text = name == nullptr ? nullptr : name->as<std::string>();
  if (text == nullptr) return bad(fmt::format("'{}.single' has a step that is neither Sequence nor SpecialToken", where_));
  const JsonValue* table = stage.find("special_tokens");
  const JsonValue* entry = table == nullptr ? nullptr : table->find(*text);
  const JsonValue* ids = entry == nullptr ? nullptr : entry->find("ids");
  const auto* list = ids == nullptr ? nullptr : ids->as<JsonArray>();
  auto id = list == nullptr || list->size() != 1 ? std::nullopt : (*list)[0].integer();
  if (!id || *id < 0 || *id >= kMaxTokens)
    return bad(fmt::format("'{}.special_tokens' has no single id for '{}'", where_, escapedShort(*text)));
  return static_cast<int32_t>(*id);
}

Result<void> StageReader::postProcessor(const JsonValue& stage, std::string_view type) {
  if (type == "ByteLevel") return {};
  if (type != "TemplateProcessing") return unsupported(type, "ByteLevel, TemplateProcessing, Sequence");
  const JsonValue* single = stage.find("single");
  const auto* steps = single == nullptr ? nullptr : single->as<JsonArray>();
  if (steps == nullptr) return bad(fmt::format("'{}.single' is not an array", where_));
  int texts = 0;
  for (const JsonValue& step : *steps) {
    auto id = specialId(stage, step);
    if (!id) return id.error();
    int32_t& place = texts == 0 ? pipeline.bos : pipeline.eos;
    if (*id < 0) ++texts;
    else if (place < 0) place = *id;
    else return bad(fmt::format("'{}.single' puts several tokens on one side of the text, one is supported", where_));
  }
  if (texts != 1) return bad(fmt::format("'{}.single' has the text {} times, once is needed", where_, texts));
  return {};
}

}  // namespace

Result<HfPipeline> readHfPipeline(const std::string& file, const JsonValue* normalizer, const JsonValue* preTokenizer,
                                  const JsonValue* postProcessor) {
  StageReader reader(file);
  if (auto good = reader.each("normalizer", normalizer, "normalizers", &StageReader::normalizer); !good) return good.error();
  if (auto good = reader.each("pre_tokenizer", preTokenizer, "pretokenizers", &StageReader::preTokenizer); !good) return good.error();
  if (auto good = reader.each("post_processor", postProcessor, "processors", &StageReader::postProcessor); !good) return good.error();
  HfPipeline& pipeline = reader.pipeline;
  auto bad = [&](std::string_view why) { return badInput(fmt::format("{}: {}", escaped(file), why)); };
  if (pipeline.byteLevel && pipeline.blanks)
    return bad("blanks become U+2581 and the pre-tokenizer is ByteLevel, one of the two is supported");
  if (!pipeline.byteLevel && !pipeline.blanks)
    return bad("neither is the pre-tokenizer ByteLevel nor do blanks become U+2581, one of the two is needed");
  if (pipeline.nfc && !pipeline.byteLevel) return bad("the normalizer NFC is supported with ByteLevel only");
  return pipeline;
}

}  // namespace quern
