// models/tokenizer/Charsmap.h — SentencePiece's precompiled map from sequences of characters to others.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// The bytes of precompiled_charsmap: their tree's size as u32, the tree (a double array of u32, as darts-clone lays it out), then the
/// replacements, each ended by a 0. Little-endian.
///
/// Places that a map has outside itself are no matches.
class Charsmap {
public:
  Charsmap() = default;
  /// Errors   BadInput, to go behind the field's name: sizes that do not fit.
  static Result<Charsmap> make(std::string_view bytes);

  bool empty() const { return tree_.empty(); }
  struct Match {
    size_t bytes = 0;  ///< of the text; 0: none
    std::string_view becomes;
  };
  /// The longest beginning of `text` that is mapped, or the shortest.
  Match longest(std::string_view text) const { return find(text, false); }
  Match shortest(std::string_view text) const { return find(text, true); }

private:
  Match find(std::string_view text, bool first) const;

  std::vector<uint32_t> tree_;
  std::string texts_;
};

}  // namespace quern
