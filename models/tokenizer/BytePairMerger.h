// models/tokenizer/BytePairMerger.h — BPE by a list of merges: over bytes or over characters, Tokenizer says which.
#pragma once

#include "models/tokenizer/MergeQueue.h"
#include "models/tokenizer/TokenizerData.h"

#include <span>

namespace quern {

/// Which pairs of tokens merge: sorted by left token, then right.
///
/// Cost   12 bytes a merge and 4 a token; a look-up is a binary search among the merges of one left token, so no choice of
///        ids makes it slow.
class BytePairMerger {
public:
  BytePairMerger() = default;
  /// Of pairs listed twice the first counts. Ids are within [0, tokens).
  BytePairMerger(std::span<const Merge> merges, int32_t tokens);

  /// Merges work.symbols, all of which have ids; the listed pairs, first listed first, the leftmost of equals first.
  void merge(MergeWork& work) const;

  MergeFound find(int32_t left, int32_t right) const;

private:
  struct Entry {
    int32_t right, merged;
    uint32_t rank;
  };
  std::vector<Entry> entries_;
  std::vector<uint32_t> begins_;  ///< of left token i: entries begins_[i] to begins_[i + 1]
};

}  // namespace quern
