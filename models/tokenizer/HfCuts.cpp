// models/tokenizer/HfCuts.cpp — the pre-tokenizers of a tokenizer.json. See HfStages.h.
#include "models/tokenizer/HfStages.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/PatternCutter.h"

#include <fmt/format.h>

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

}  // namespace

/// `behavior` of a stage; `fallback` where it says none.
Result<CutBehavior> HfStages::behaviorOf(const JsonValue& stage, std::string_view fallback) const {
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

/// What stands as the last step becomes one of several: another stage comes behind it.
void HfStages::demote() {
  bool blank = pipeline.prefix != SpacePrefix::Never || pipeline.blankBeforePieces;
  if (pipeline.metaspace && pipeline.escapes) {
    pipeline.cuts.push_back({.pattern = "", .kind = CutKind::Blanks, .rule = pipeline.rule, .prefix = pipeline.prefix});
    pipeline.escapes = false;
  } else {
    if (blank) pipeline.cuts.push_back({.pattern = "", .kind = CutKind::Blank, .prefix = SpacePrefix::EachPartUnlessThere});
    if (pipeline.rule != SplitRule::None) pipeline.cuts.push_back({.pattern = "", .kind = CutKind::Rule, .rule = pipeline.rule});
  }
  pipeline.prefix = SpacePrefix::Never;
  pipeline.blankBeforePieces = false;
  pipeline.rule = SplitRule::None;
}

void HfStages::addCut(CutStep step) {
  if (pipeline.metaspace || pipeline.byteLevel) demote();
  step.spelled = pipeline.byteLevel;
  pipeline.cuts.push_back(std::move(step));
  last_ = SplitRule::None;
}

Result<void> HfStages::split(const JsonValue& stage) {
  auto behavior = behaviorOf(stage, "");
  if (!behavior) return behavior.error();
  auto invert = flag(stage, "invert", false);
  if (!invert) return invert.error();
  auto pattern = patternOf(stage);
  if (!pattern) return pattern.error();
  addCut({std::move(*pattern), *behavior, *invert});
  // These leave nothing between their matches, so cutting the matches out is the same as keeping them apart.
  bool apart = *behavior == CutBehavior::Isolated || (*behavior == CutBehavior::Removed && *invert);
  for (const KnownPattern& known : kPatterns)
    if (apart && known.text == regexOf(stage) && !pipeline.byteLevel) last_ = known.rule;
  return {};
}

/// Stages that are a pattern under another name. False: no such one.
Result<bool> HfStages::namedCut(const JsonValue& stage, std::string_view type) {
  const std::string space = fmt::format("[{}]", kWhiteSpaceClass), sign = R"([\p{P}!-\/:-@\[-`{-~])";
  if (type == "Digits") {
    auto single = flag(stage, "individual_digits", false);
    if (!single) return single.error();
    addCut({R"(\p{N})", *single ? CutBehavior::Isolated : CutBehavior::Contiguous});
  } else if (type == "Punctuation") {
    auto behavior = behaviorOf(stage, "Isolated");
    if (!behavior) return behavior.error();
    addCut({sign, *behavior});
  } else if (type == "Whitespace") {
    constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control})";
    addCut({fmt::format("[{0}]+|[^{0}{1}]+", kWord, kWhiteSpaceClass), CutBehavior::Removed, true});
  } else if (type == "WhitespaceSplit") {
    addCut({space, CutBehavior::Removed});
  } else if (type == "CharDelimiterSplit") {
    auto text = JsonFields(file_, stage).string("delimiter");
    if (!text) return text.error();
    if (text->value_or("").empty()) return bad(fmt::format("'{}.delimiter' is missing, a character is needed", where_));
    addCut({literalPattern(**text), CutBehavior::Removed});
  } else if (type == "BertPreTokenizer") {
    addCut({space, CutBehavior::Removed});
    addCut({sign});
  } else if (type == "UnicodeScripts") {
    addCut({scriptPattern(), CutBehavior::Removed, true});
  } else {
    return false;
  }
  return true;
}

Result<void> HfStages::metaspace(const JsonValue& stage) {
  if (pipeline.metaspace || pipeline.byteLevel)
    return bad(fmt::format("'{}' is a Metaspace behind {}, which is not supported", where_, pipeline.metaspace ? "another" : "ByteLevel"));
  auto replacement = JsonFields(file_, stage).string("replacement");
  if (!replacement) return replacement.error();
  if (replacement->value_or("") != kBlankText)
    return bad(fmt::format("'{}.replacement' is '{}', U+2581 is supported", where_, escapedShort(replacement->value_or(""))));
  auto scheme = JsonFields(file_, stage).string("prepend_scheme");
  if (!scheme) return scheme.error();
  auto prefixSpace = flag(stage, "add_prefix_space", true), cut = flag(stage, "split", true);
  if (!prefixSpace) return prefixSpace.error();
  if (!cut) return cut.error();
  std::string_view named = scheme->value_or(*prefixSpace ? "always" : "never");
  SpacePrefix prefix = SpacePrefix::Never;
  if (named == "always") prefix = SpacePrefix::EachPartUnlessThere;
  else if (named == "first") prefix = SpacePrefix::FirstUnlessThere;
  else if (named != "never")
    return bad(fmt::format("'{}.prepend_scheme' is '{}', always, first and never are legal", where_, escapedShort(named)));
  SplitRule rule = *cut ? SplitRule::Words : SplitRule::None;
  pipeline.prefixed = pipeline.prefixed || prefix != SpacePrefix::Never;
  pipeline.blanks = pipeline.metaspace = true;
  if (!pipeline.cuts.empty()) {
    pipeline.cuts.push_back({.pattern = "", .kind = CutKind::Blanks, .rule = rule, .prefix = prefix});
    return {};
  }
  pipeline.escapes = true;
  pipeline.prefix = prefix;
  pipeline.rule = rule;
  return {};
}

Result<void> HfStages::byteLevel(const JsonValue& stage) {
  if (pipeline.metaspace || pipeline.byteLevel)
    return bad(fmt::format("'{}' is a ByteLevel behind {}, which is not supported", where_, pipeline.metaspace ? "Metaspace" : "another"));
  auto prefixSpace = flag(stage, "add_prefix_space", true), regex = flag(stage, "use_regex", true);
  if (!prefixSpace) return prefixSpace.error();
  if (!regex) return regex.error();
  bool alone = pipeline.cuts.empty();
  if (*prefixSpace && alone) pipeline.prefix = SpacePrefix::EachPartUnlessThere;
  pipeline.blankBeforePieces = *prefixSpace && !alone;
  if (*regex) {
    pipeline.rule = SplitRule::Gpt2;
  } else if (last_ != SplitRule::None && !pipeline.blankBeforePieces) {
    pipeline.rule = last_;
    pipeline.cuts.pop_back();
  }
  pipeline.byteLevel = true;
  return {};
}

Result<void> HfStages::preTokenizer(const JsonValue& stage, std::string_view type) {
  if (type == "Metaspace") return metaspace(stage);
  if (type == "Split") return split(stage);
  if (type == "ByteLevel") return byteLevel(stage);
  auto cut = namedCut(stage, type);
  if (!cut) return cut.error();
  if (*cut) return {};
  return unsupported(type,
                     "ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit, "
                     "BertPreTokenizer, UnicodeScripts, Sequence");
}

}  // namespace quern
