// models/tokenizer/MergeNames.h — merges as files spell them, to the ids of TokenizerData.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/TokenIndex.h"

#include <vector>

namespace quern {

/// Collects merges by name.
class MergeNames {
public:
  /// `subject` opens messages: file and field. `affix`: bytes that right halves begin with and lose when they merge.
  MergeNames(std::string subject, const TokenTexts& spellings, const TokenIndex& index, size_t affix = 0)
      : subject_(std::move(subject)), spellings_(spellings), index_(index), affix_(affix) {}

  /// "left right": cut at the first blank behind the first character.
  /// Errors   BadInput where there is no such blank.
  Result<void> add(std::string_view pair);
  void add(std::string_view left, std::string_view right);

  /// Errors   BadInput where merges named no token: how many, and the first of them.
  Result<std::vector<Merge>> finish();

private:
  std::string subject_;
  const TokenTexts& spellings_;
  const TokenIndex& index_;
  std::vector<Merge> merges_;
  std::string joined_, firstBad_;
  size_t affix_;
  int64_t count_ = 0, bad_ = 0;
};

}  // namespace quern
