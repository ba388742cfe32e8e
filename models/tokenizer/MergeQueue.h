// models/tokenizer/MergeQueue.h — merging neighbours best first: a heap of candidate pairs over a linked list of symbols.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace quern {

/// A stretch of the text and the token it is so far. Merging makes the left one longer and the right one empty.
struct MergeSymbol {
  uint32_t begin = 0, length = 0;
  int32_t id = -1;  ///< -1: no token stands for it
  int32_t previous = -1, next = -1;
};

/// What two neighbours would become. Lower ranks go first; kNoMerge: nothing.
struct MergeFound {
  uint32_t rank = UINT32_MAX;
  int32_t id = -1;
};
inline constexpr MergeFound kNoMerge = {};

/// The memory of one encode call, used again for every piece.
struct MergeWork {
  struct Pair {
    uint64_t key;  ///< rank, then the left symbol: the leftmost of equals goes first
    uint32_t span;
    int32_t id;
  };
  std::vector<MergeSymbol> symbols;
  std::vector<Pair> heap;
  uint64_t steps = 0;  ///< pairs looked up and pairs taken from the heap

  void clear() { symbols.clear(), heap.clear(); }
  void add(uint32_t begin, uint32_t length, int32_t id) {
    auto at = static_cast<int32_t>(symbols.size());
    if (at > 0) symbols.back().next = at;
    symbols.push_back({begin, length, id, at - 1, -1});
  }
};

/// Merges `work.symbols` until no pair is left that `lookup(left, right)` -> MergeFound knows.
/// Cost   O(n log n) for n symbols: every merge removes a symbol and brings at most two new pairs.
template <class Lookup>
void mergeSymbols(MergeWork& work, const Lookup& lookup) {
  std::vector<MergeSymbol>& symbols = work.symbols;
  auto later = [](const MergeWork::Pair& a, const MergeWork::Pair& b) { return a.key > b.key; };
  auto candidate = [&](int32_t left) {
    if (left < 0 || symbols[static_cast<size_t>(left)].next < 0) return false;
    const MergeSymbol& a = symbols[static_cast<size_t>(left)];
    const MergeSymbol& b = symbols[static_cast<size_t>(a.next)];
    ++work.steps;
    MergeFound found = lookup(a, b);
    if (found.id < 0) return false;
    work.heap.push_back({uint64_t{found.rank} << 32 | static_cast<uint32_t>(left), a.length + b.length, found.id});
    return true;
  };
  work.heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) candidate(static_cast<int32_t>(i));
  std::make_heap(work.heap.begin(), work.heap.end(), later);
  while (!work.heap.empty()) {
    std::pop_heap(work.heap.begin(), work.heap.end(), later);
    MergeWork::Pair pair = work.heap.back();
    work.heap.pop_back();
    ++work.steps;
    auto left = static_cast<int32_t>(pair.key & UINT32_MAX);
    MergeSymbol& a = symbols[static_cast<size_t>(left)];
    if (a.length == 0 || a.next < 0) continue;
    MergeSymbol& b = symbols[static_cast<size_t>(a.next)];
    if (a.length + b.length != pair.span) continue;  // one of them has grown since: symbols only grow
    a.length += b.length;
    a.id = pair.id;
    a.next = b.next;
    b.length = 0;
    if (a.next >= 0) symbols[static_cast<size_t>(a.next)].previous = left;
    if (candidate(a.previous)) std::push_heap(work.heap.begin(), work.heap.end(), later);
    if (candidate(left)) std::push_heap(work.heap.begin(), work.heap.end(), later);
  }
}

}  // namespace quern
