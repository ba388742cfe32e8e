// models/tokenizer/AddedTokens.h — finds added tokens in a text: the leftmost first, the longest of those that begin there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// One text to look for.
struct AddedPattern {
  std::string text;      ///< not empty
  int32_t place = -1;    ///< what find() answers
  bool special = false;  ///< found only on request
};

struct AddedMatch {
  uint32_t begin, length;
  int32_t place;
};

/// Aho and Corasick's automaton over the patterns written backwards. One pass over the text from its end tells, for every
/// place, the longest pattern that begins there; so leftmost and longest costs no second look at any byte.
///
/// Cost   find is O(n); about 20 bytes of memory for each byte of the patterns.
class AddedTokens {
public:
  explicit AddedTokens(std::vector<AddedPattern> patterns = {});

  bool empty() const { return patterns_.empty(); }
  /// The longest match that begins at each place where one does, from the text's end to its beginning.
  std::vector<AddedMatch> find(std::string_view text, bool withSpecial) const;

private:
  struct Node {
    int32_t firstChild = 0, children = 0;  ///< children stand together, ordered by their byte
    int32_t fail = 0;
    int32_t longest[2] = {-1, -1};  ///< pattern that ends here, its index: among the ordinary ones, among all
    unsigned char byte = 0;
  };
  int32_t childOf(int32_t node, unsigned char byte) const;
  void addFailures();

  std::vector<AddedPattern> patterns_;
  std::vector<Node> nodes_;
};

}  // namespace quern
