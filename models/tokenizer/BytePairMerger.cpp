// models/tokenizer/BytePairMerger.cpp — see BytePairMerger.h.
#include "models/tokenizer/BytePairMerger.h"

namespace quern {

BytePairMerger::BytePairMerger(std::span<const Merge> merges, int32_t tokens)
    : entries_(merges.size()), begins_(static_cast<size_t>(tokens) + 1) {
  for (const Merge& merge : merges) ++begins_[static_cast<size_t>(merge.left) + 1];
  for (size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
  std::vector<uint32_t> places(begins_.begin(), begins_.end() - 1);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    entries_[places[static_cast<size_t>(merge.left)]++] = {merge.right, merge.merged, static_cast<uint32_t>(rank)};
  }
  for (size_t i = 0; i + 1 < begins_.size(); ++i) {
    auto begin = entries_.begin() + begins_[i], end = entries_.begin() + begins_[i + 1];
    std::sort(begin, end, [](const Entry& a, const Entry& b) { return a.right != b.right ? a.right < b.right : a.rank < b.rank; });
  }
}

MergeFound BytePairMerger::find(int32_t left, int32_t right) const {
  if (left < 0 || right < 0) return kNoMerge;
  auto begin = entries_.begin() + begins_[static_cast<size_t>(left)], end = entries_.begin() + begins_[static_cast<size_t>(left) + 1];
  auto found = std::lower_bound(begin, end, right, [](const Entry& entry, int32_t id) { return entry.right < id; });
  return found == end || found->right != right ? kNoMerge : MergeFound{found->rank, found->merged};
}

void BytePairMerger::merge(MergeWork& work) const {
  mergeSymbols(work, [&](const MergeSymbol& a, const MergeSymbol& b) { return find(a.id, b.id); });
}

}  // namespace quern
