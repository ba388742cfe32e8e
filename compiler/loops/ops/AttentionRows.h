// compiler/loops/ops/AttentionRows.h — what a step of attention is about: a tile of keys, and the rows that meet it.
#pragma once

#include "compiler/loops/ir/Value.h"

#include <vector>

namespace quern {

/// The keys from tile0 on of a key/value head; what comes of them is kept at `slot` of `tiles`.
struct AttentionPlace {
  Value kvHead, tile0, slot;
  Value batch{};  ///< null: arrays have no such axis
};

/// A few rows (queries of heads that share keys) that are computed together; later rows see as many keys or more.
struct AttentionRows {
  int count = 1;
  Value place;                            ///< of the first, in the state
  std::vector<Value> query, head, limit;  ///< of each: keys below limit count
  std::vector<Value> first;               ///< and not those before first; empty: there are none
};

}  // namespace quern
