// models/tokenizer/GgufSplits.h — tokenizer.ggml.pre: the names that converters give to ways of cutting text.
#pragma once

#include "models/tokenizer/TokenizerData.h"

#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// How a name cuts, and what else it says of a tokenizer.
struct GgufSplit {
  std::vector<CutStep> cuts;
  SplitRule rule = SplitRule::None;
  bool ignoreMerges = false, addBos = false;
  bool characters = false;  ///< merges are of characters, with U+2581 for blanks
  bool wholeLines = false;  ///< TokenizerData::wholeLines
};

/// False where no such name is known.
bool findGgufSplit(std::string_view name, GgufSplit& split);
/// All names, as they are listed.
std::vector<std::string> ggufSplitNames();

}  // namespace quern
