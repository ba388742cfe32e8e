// models/tokenizer/MergeNames.cpp — see MergeNames.h.
#include "models/tokenizer/MergeNames.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

Result<void> MergeNames::add(std::string_view pair) {
  size_t blank = pair.find(' ', 1);
  if (blank == std::string_view::npos || blank + 1 == pair.size())
    return badInput(fmt::format("{}: merge {} is '{}', two tokens with a blank between are needed", subject_, count_, escapedShort(pair)));
  add(pair.substr(0, blank), pair.substr(blank + 1));
  return {};
}

void MergeNames::add(std::string_view left, std::string_view right) {
  joined_.assign(left);
  joined_ += right.substr(std::min(affix_, right.size()));
  Merge merge = {index_.find(spellings_, left), index_.find(spellings_, right), index_.find(spellings_, joined_)};
  if (merge.left >= 0 && merge.right >= 0 && merge.merged >= 0) {
    merges_.push_back(merge);
  } else if (bad_++ == 0) {
    std::string_view missing = merge.left < 0 ? left : merge.right < 0 ? right : std::string_view(joined_);
    firstBad_ = fmt::format("merge {} '{} {}' needs '{}'", count_, escapedShort(left), escapedShort(right), escapedShort(missing));
  }
  ++count_;
}

Result<std::vector<Merge>> MergeNames::finish() {
  if (bad_ == 0) return std::move(merges_);
  return badInput(
      fmt::format("{}: {} of {} merges name tokens that the vocabulary lacks, the first: {}", subject_, bad_, count_, firstBad_));
}

}  // namespace quern
