// models/tokenizer/ByteTrie.cpp — see ByteTrie.h.
#include "models/tokenizer/ByteTrie.h"

#include <algorithm>

namespace quern {

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.text < b.text; });
  // A node is a range of the sorted texts with a common beginning of `depth` bytes; breadth first, so that children stand together.
  struct Range {
    uint32_t begin, end;
  };
  std::vector<Range> level = {{0, static_cast<uint32_t>(entries.size())}}, below;
  nodes_.emplace_back();
  for (size_t depth = 0, node = 0; !level.empty(); ++depth, level.swap(below), below.clear()) {
    for (auto [begin, end] : level) {
      for (; begin < end && entries[begin].text.size() == depth; ++begin)
        if (nodes_[node].id < 0) nodes_[node].id = entries[begin].id;
      nodes_[node].firstChild = static_cast<uint32_t>(nodes_.size());
      while (begin < end) {
        char byte = entries[begin].text[depth];
        uint32_t next = begin;
        while (next < end && entries[next].text[depth] == byte) ++next;
        nodes_.emplace_back().byte = static_cast<unsigned char>(byte);
        below.push_back({begin, next});
        ++nodes_[node].children;
        begin = next;
      }
      ++node;
    }
  }
}

int32_t ByteTrie::step(int32_t node, char byte) const {
  const Node& parent = nodes_[static_cast<size_t>(node)];
  auto begin = nodes_.begin() + parent.firstChild, end = begin + parent.children;
  auto wanted = static_cast<unsigned char>(byte);
  auto found = std::lower_bound(begin, end, wanted, [](const Node& child, unsigned char value) { return child.byte < value; });
  return found == end || found->byte != wanted ? -1 : static_cast<int32_t>(found - nodes_.begin());
}

std::pair<int32_t, size_t> ByteTrie::longest(std::string_view text, int32_t node) const {
  std::pair<int32_t, size_t> best = {idAt(node), 0};
  for (size_t i = 0; i < text.size() && (node = step(node, text[i])) >= 0; ++i)
    if (int32_t id = idAt(node); id >= 0) best = {id, i + 1};
  return best;
}

}  // namespace quern
