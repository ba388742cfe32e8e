// tests/tokenizer/Backtracker.h — the regular expressions of SplitRules.h, run as they are written, slowly: the oracle.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// A backtracking matcher for the syntax that the splitting rules use: alternatives, (...), (?i:...), (?!...), classes,
/// \p{L} \p{N} \p{P} \s \S \r \n, ? * + {n,m}; greedy only. Bytes that are not UTF-8 are characters of their own, in no
/// property.
class Backtracker {
public:
  explicit Backtracker(std::string_view pattern);
  ~Backtracker();

  /// Matches and what is between them, from left to right.
  std::vector<std::string> cut(const std::string& text) const;

private:
  struct Node;
  struct Parser;
  std::unique_ptr<Node> root_;
};

}  // namespace quern
