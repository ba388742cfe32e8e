// compiler/loops/ops/PairLoops.h — products with a=bf16: A in pairs of bf16 in scratch, and the micro-kernel in either order.
#pragma once

#include "compiler/loops/ops/WeightLoops.h"

namespace quern {

/// Rows of k elements rounded to bf16, two neighbours in a word, the first in its low half; an odd last one has a zero beside it.
///
///   pairs   i32 [rows][ceil(k / 2)]
class PairRows {
public:
  /// k is known: a weight's.
  PairRows(OpBuild& build, const Value& rows, int64_t k);

  /// A task a row; `at` gives the place in `a` of a row's element.
  void phase(const BufferRef& a, const std::function<std::vector<Value>(const Value& row, const Value& k)>& at);
  Value word(const Value& row, const Value& index) const { return build_.b.load(pairs_, {row, index}, 1); }

private:
  OpBuild& build_;
  Value rows_;
  int64_t k_;
  BufferRef pairs_;
};

/// Packed as PackLayout's words of bf16: two neighbours of a column in a word.
class PairReader {
public:
  /// Declares the operand `name`.
  PairReader(OpBuild& build, const std::string& name, const Value& batch, const Value& panels, int64_t k, PairOrder order,
             const MatmulSchedule& schedule);

  /// A tile: acc[r][v] += rows row .. row + rows - 1 of the pairs times the vectors of columns, k0 <= k < k1, multiples of 32 but the last.
  struct Tile {
    Value batch, row;
    int64_t rows;
    std::span<const WeightColumns> vectors;
    Value k0, k1;
    RegArray acc;
  };
  void run(const Tile& tile, const PairRows& pairs);

private:
  Value word(const Tile& tile, size_t vector, const Value& pair) const;
  void inPairs(const Tile& tile, const PairRows& pairs);
  void inTiles(const Tile& tile, const PairRows& pairs);
  void chains(const Tile& tile, const PairRows& pairs, const Value& pair, const RegArray& even, const RegArray& odd);

  OpBuild& build_;
  LoopBuilder& b_;
  PairOrder order_;
  bool instruction_;  ///< for pairs, which needs no state set
  int64_t panel_, pairs_;
  int lanes_;
  int64_t unroll_, prefetch_;  ///< in pairs
  BufferRef packed_;
};

}  // namespace quern
