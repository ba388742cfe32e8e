// models/tokenizer/AddedTokens.cpp — see AddedTokens.h.
#include "models/tokenizer/AddedTokens.h"

#include <algorithm>

namespace quern {

AddedTokens::AddedTokens(std::vector<AddedPattern> patterns) : patterns_(std::move(patterns)) {
  for (AddedPattern& pattern : patterns_) std::reverse(pattern.text.begin(), pattern.text.end());
  std::sort(patterns_.begin(), patterns_.end(), [](const AddedPattern& a, const AddedPattern& b) { return a.text < b.text; });
  // A node is a range of the sorted patterns with a common beginning of `depth` bytes; breadth first, so that children
  // stand together.
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> ranges = {{0, patterns_.size()}};
  nodes_.emplace_back();
  size_t levelEnd = 1, depth = 0;
  for (size_t node = 0; node < nodes_.size(); ++node) {
    if (node == levelEnd) ++depth, levelEnd = nodes_.size();
    auto [begin, end] = ranges[node];
    for (; begin < end && patterns_[begin].text.size() == depth; ++begin) {
      if (depth == 0) continue;
      auto index = static_cast<int32_t>(begin);
      if (!patterns_[begin].special) nodes_[node].longest[0] = index;
      nodes_[node].longest[1] = index;
    }
    nodes_[node].firstChild = static_cast<int32_t>(nodes_.size());
    while (begin < end) {
      char byte = patterns_[begin].text[depth];
      size_t next = begin;
      while (next < end && patterns_[next].text[depth] == byte) ++next;
      nodes_.emplace_back().byte = static_cast<unsigned char>(byte);
      ranges.push_back({begin, next});
      ++nodes_[node].children;
      begin = next;
    }
  }
  addFailures();
}

int32_t AddedTokens::childOf(int32_t node, unsigned char byte) const {
  const Node& parent = nodes_[static_cast<size_t>(node)];
  auto begin = nodes_.begin() + parent.firstChild, end = begin + parent.children;
  auto found = std::lower_bound(begin, end, byte, [](const Node& child, unsigned char wanted) { return child.byte < wanted; });
  return found == end || found->byte != byte ? -1 : static_cast<int32_t>(found - nodes_.begin());
}

void AddedTokens::addFailures() {
  for (size_t parent = 0; parent < nodes_.size(); ++parent) {
    auto first = static_cast<size_t>(nodes_[parent].firstChild);
    for (size_t child = first; child < first + static_cast<size_t>(nodes_[parent].children); ++child) {
      Node& node = nodes_[child];
      int32_t fail = nodes_[parent].fail, target = -1;
      if (parent != 0)
        while ((target = childOf(fail, node.byte)) < 0 && fail != 0) fail = nodes_[static_cast<size_t>(fail)].fail;
      node.fail = std::max(target, 0);
      for (int kind : {0, 1})
        if (node.longest[kind] < 0) node.longest[kind] = nodes_[static_cast<size_t>(node.fail)].longest[kind];
    }
  }
}

std::vector<AddedMatch> AddedTokens::find(std::string_view text, bool withSpecial) const {
  std::vector<AddedMatch> matches;
  if (patterns_.empty()) return matches;
  int32_t state = 0;
  for (size_t at = text.size(); at-- > 0;) {
    auto byte = static_cast<unsigned char>(text[at]);
    int32_t next = -1;
    while ((next = childOf(state, byte)) < 0 && state != 0) state = nodes_[static_cast<size_t>(state)].fail;
    state = std::max(next, 0);
    int32_t index = nodes_[static_cast<size_t>(state)].longest[withSpecial ? 1 : 0];
    if (index < 0) continue;
    const AddedPattern& pattern = patterns_[static_cast<size_t>(index)];
    matches.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(pattern.text.size()), pattern.place});
  }
  return matches;
}

}  // namespace quern
