// models/tokenizer/HfStages.h — how HfPipeline walks the stages of a tokenizer.json; HfNormalizer.cpp, HfCuts.cpp and HfTemplate.cpp read
// one kind each.
#pragma once

#include "models/tokenizer/HfPipeline.h"

#include <string>
#include <string_view>

namespace quern {

/// SentencePiece's blank in files.
inline constexpr std::string_view kBlankText = "\xe2\x96\x81";

/// The stage that is being read, and what all stages have amounted to so far.
class HfStages {
public:
  explicit HfStages(std::string file) : file_(std::move(file)) {}

  using Stage = Result<void> (HfStages::*)(const JsonValue& stage, std::string_view type);
  /// One stage, or each of a sequence whose list is called `list`.
  Result<void> each(const std::string& where, const JsonValue* stage, std::string_view list, Stage read);

  Result<void> normalizer(const JsonValue& stage, std::string_view type);
  Result<void> preTokenizer(const JsonValue& stage, std::string_view type);
  Result<void> postProcessor(const JsonValue& stage, std::string_view type);
  Result<void> finish();

  HfPipeline pipeline;

private:
  Error bad(const std::string& why) const;
  Error unsupported(std::string_view type, std::string_view supported) const;
  /// The string `key` of a stage; an error where it is missing or empty.
  Result<std::string> needed(const JsonValue& stage, std::string_view key) const;
  Result<bool> flag(const JsonValue& stage, std::string_view key, bool fallback) const;
  /// `pattern` of a stage: {"String": ...} or {"Regex": ...}, as PCRE2 reads it.
  Result<std::string> patternOf(const JsonValue& stage) const;
  /// The same as the file has it; "" for a text.
  std::string_view regexOf(const JsonValue& stage) const;

  Result<void> replace(const JsonValue& stage);
  Result<void> precompiled(const JsonValue& stage);
  Result<void> bert(const JsonValue& stage);

  Result<CutBehavior> behaviorOf(const JsonValue& stage, std::string_view fallback) const;
  void addCut(CutStep step);
  void demote();
  Result<bool> namedCut(const JsonValue& stage, std::string_view type);
  Result<void> split(const JsonValue& stage);
  Result<void> metaspace(const JsonValue& stage);
  Result<void> byteLevel(const JsonValue& stage);

  Result<int32_t> specialId(const JsonValue& stage, const JsonValue& step) const;
  Result<int32_t> pairedId(const JsonValue& stage, std::string_view key) const;

  std::string file_, where_;
  SplitRule last_ = SplitRule::None;  ///< what the last of the cuts is as a rule, which is quicker
};

/// The pattern of which each match is a run of one script, with the blanks in it: UnicodeScripts.
std::string scriptPattern();

}  // namespace quern
