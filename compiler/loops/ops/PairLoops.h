// compiler/loops/ops/PairLoops.h — products with a=bf16: A in pairs of bf16 in scratch, and the micro-kernel in either order.
#pragma once

#include "compiler/loops/ops/PairWeight.h"
#include "compiler/loops/ops/RoundedProduct.h"

#include <optional>

namespace quern {

/// Rows of k elements rounded to bf16, or as three bf16, two neighbours in a word, the first in its low half; an odd last one has a zero
/// beside it.
///
///   pairs   i32 [rows][pieces x ceil(k / 2)], pieces a little apart
class PairRows {
public:
  using PlaceInA = std::function<std::vector<Value>(const Value& row, const Value& k)>;
  /// k is known: a weight's. `more` rows behind the others may be read too; nothing is said of what they hold.
  PairRows(OpBuild& build, const Value& rows, int64_t k, int64_t pieces = 1, int64_t more = 0);

  /// Rows of bf16, of an even k, where they are.
  PairRows(OpBuild& build, const BufferRef& a, PlaceInA at);

  /// A task a row; `at` gives the place in `a` of a row's element, which is f32, or bf16 already.
  void phase(const BufferRef& a, const PlaceInA& at);
  /// [rows][words of the first piece, some that are apart, of the second ...].
  const BufferRef& words() const { return pairs_; }
  /// Where a word lies there.
  std::vector<Value> at(const Value& row, int64_t piece, const Value& index) const { return {row, index + piece * each_}; }
  Value word(const Value& row, int64_t piece, const Value& index) const;

private:
  /// A row that is bf16 already.
  void copy(const BufferRef& a, const Value& row, const PlaceInA& at);
  /// Two neighbours, in all lanes: the words of each piece.
  void put(const Value& row, const Value& pair, const Value& low, const Value& high);

  OpBuild& build_;
  Value rows_;
  int64_t k_, pieces_, each_ = 0;  ///< words of a piece of a row
  BufferRef pairs_;
  PlaceInA at_;  ///< of rows where they are, in pairs_
};

/// A product as the sum of its terms (op/MatmulOp.h), each of pairs of bf16.
class PairProduct final : public RoundedProduct {
public:
  PairProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
              const Value& panels);

  void declareRows(const Value& rows) override { rows_.emplace(build_, rows, k_, piecesOfA_); }
  void phase(const BufferRef& a, const PlaceInA& at) override { rows_->phase(a, at); }
  void given(const Value&, const BufferRef& a, const PlaceInA& at) override { rows_.emplace(build_, a, at); }
  void convert(const Group& group) override { weight_.convert({group.batch, group.vectors, group.k0}, group.k1); }
  void run(const Tile& tile) override;

private:
  static PairWeight::Place placeOf(const Tile& tile) { return {tile.batch, tile.vectors, tile.k0}; }
  void inPairs(const Tile& tile);
  void pairStep(const Tile& tile, const Value& pair);
  void addPair(const Tile& tile, const Value& pair, const std::vector<std::vector<Value>>& words);
  void addTerms(const RegArray& acc, const Value& r, size_t vector, const std::vector<Value>& a, const std::vector<Value>& words);
  std::vector<Value> wordsOfA(const Tile& tile, const Value& r, const Value& pair);
  /// Of order=tile32, [rows][vectors] each.
  struct Chains {
    RegArray even, odd;
  };
  using WordOf = std::function<Value(size_t vector)>;
  void inTiles(const Tile& tile);
  void tileOf(const Tile& tile, const std::function<void(const Chains&)>& body);
  void chains(const Tile& tile, int64_t pieceOfA, const Value& pair, const WordOf& word, const Chains& sums);
  void blocks(const Tile& tile);

  OpBuild& build_;
  LoopBuilder& b_;
  PairOrder order_;
  std::span<const PieceTerm> terms_;
  bool apart_;        ///< all terms but the last, in pairs
  bool instruction_;  ///< for pairs, which needs no state set
  int64_t k_, piecesOfA_;
  int lanes_;
  int64_t unroll_;  ///< in pairs
  PairWeight weight_;
  std::optional<PairRows> rows_;
};

}  // namespace quern
