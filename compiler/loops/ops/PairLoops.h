// compiler/loops/ops/PairLoops.h — products with a=bf16: A in pairs of bf16 in scratch, and the micro-kernel in either order.
#pragma once

#include "compiler/loops/ops/RoundedProduct.h"

#include <optional>

namespace quern {

/// Rows of k elements rounded to bf16, two neighbours in a word, the first in its low half; an odd last one has a zero beside it.
///
///   pairs   i32 [rows][ceil(k / 2)]
class PairRows {
public:
  /// k is known: a weight's. `more` rows behind the others may be read too; nothing is said of what they hold.
  PairRows(OpBuild& build, const Value& rows, int64_t k, int64_t more = 0);

  /// A task a row; `at` gives the place in `a` of a row's element.
  void phase(const BufferRef& a, const std::function<std::vector<Value>(const Value& row, const Value& k)>& at);
  const BufferRef& words() const { return pairs_; }
  Value word(const Value& row, const Value& index) const { return build_.b.load(pairs_, {row, index}, 1); }

private:
  OpBuild& build_;
  Value rows_;
  int64_t k_;
  BufferRef pairs_;
};

/// Packed as PackLayout's words of bf16: two neighbours of a column in a word.
class PairProduct final : public RoundedProduct {
public:
  PairProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
              const Value& panels);

  void declareRows(const Value& rows) override { rows_.emplace(build_, rows, k_); }
  void phase(const BufferRef& a, const PlaceInA& at) override { rows_->phase(a, at); }
  void run(const Tile& tile) override;

private:
  Value word(const Tile& tile, size_t vector, const Value& pair) const;
  void inPairs(const Tile& tile);
  void inTiles(const Tile& tile);
  void chains(const Tile& tile, const Value& pair, const RegArray& even, const RegArray& odd);

  OpBuild& build_;
  LoopBuilder& b_;
  PairOrder order_;
  bool instruction_;  ///< for pairs, which needs no state set
  int64_t k_, panel_, pairs_;
  int lanes_;
  int64_t unroll_, prefetch_;  ///< in pairs
  BufferRef packed_;
  std::optional<PairRows> rows_;
};

}  // namespace quern
