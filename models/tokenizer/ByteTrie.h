// models/tokenizer/ByteTrie.h — texts by their beginnings: which of them begin at a place of another text.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace quern {

/// A tree of bytes; nodes are numbers, the root is 0.
///
/// Cost   12 bytes for each byte of the texts; a step is a binary search among a node's children.
class ByteTrie {
public:
  struct Entry {
    std::string_view text;
    int32_t id;
  };
  /// Of equal texts the first is found; empty ones stand at the root.
  explicit ByteTrie(std::vector<Entry> entries = {});

  /// Where `byte` leads from `node`; -1: nowhere.
  int32_t step(int32_t node, char byte) const;
  /// Where `text` leads from `node`; -1: nowhere.
  int32_t walk(int32_t node, std::string_view text) const {
    for (size_t i = 0; i < text.size() && node >= 0; ++i) node = step(node, text[i]);
    return node;
  }
  /// The text that ends at `node`, by its id; -1: none.
  int32_t idAt(int32_t node) const { return nodes_[static_cast<size_t>(node)].id; }
  /// The longest text that `text` begins with, walking from `node`: its id and its bytes; an id of -1 where there is none.
  std::pair<int32_t, size_t> longest(std::string_view text, int32_t node = 0) const;
  bool empty() const { return nodes_.size() == 1 && nodes_[0].id < 0; }

private:
  struct Node {
    uint32_t firstChild = 0;  ///< children stand together, ordered by their byte
    int32_t id = -1;
    uint16_t children = 0;
    unsigned char byte = 0;
  };
  std::vector<Node> nodes_;
};

}  // namespace quern
