// compiler/loops/build/PairWords.h — numbers of bf16 two in a word, the first in its low half: how they are made, and the orders in which
// their products are added up.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// The bf16 nearest to x, ties to even, in the high half of a word; NaN stays one. What the low half holds means nothing.
Value roundedHigh(LoopBuilder& b, const Value& x);
/// The same of numbers among which no NaN has other bits set than every NaN.
Value plainlyRoundedHigh(LoopBuilder& b, const Value& x);
/// Of two words whose high halves hold a number.
Value wordOf(const Value& low, const Value& high);
/// The numbers of a word, as f32.
Value lowOf(const Value& word);
Value highOf(const Value& word);
constexpr int64_t kTilePairs = 16;  ///< of the 32 products of a step of order=tile32

/// Neighbours of a row of k numbers, k known, pair by pair: keep(pair, those with even k, those with odd k); an odd last one has a zero
/// beside it.
void pairsOfRow(OpBuild& build, int64_t k, const std::function<Value(const Value& k, int lanes)>& number,
                const std::function<void(const Value& pair, const Value& low, const Value& high)>& keep);
/// The same, rounded, as ceil(k / 2) words.
void roundRow(OpBuild& build, int64_t k, const std::function<Value(const Value& k, int lanes)>& number,
              const std::function<void(const Value& pair, const Value& word)>& keep);

/// Sums of products of pairs, in an order (op/MatmulOp.h): acc[row][vector] goes on by words of each row times vectors of words.
///
///   words(pair)      a vector of words for each vector of acc
///   word(pair, row)  the row's word
class PairSums {
public:
  using Words = std::function<std::vector<Value>(const Value& pair)>;
  using Word = std::function<Value(const Value& pair, int row)>;
  /// Makes body(of what of the vectors' words counts for a row) stand where it may: all of a word where `mask` is null.
  using Guard = std::function<void(const Value& pair, int row, const std::function<void(const Value* mask)>& body)>;

  /// `instruction`: dot_pairs needs no flushed block.
  PairSums(LoopBuilder& b, PairOrder order, bool instruction, const RegArray& acc, int rows, int vectors);

  /// Pairs [0, last), those from `common` on under `guard` (null: none are); 0 is where a step of 32 products begins. Stands in no flushed
  /// block; acc then is as the order has it.
  void run(const Value& common, const Value& last, const Words& words, const Word& word, const Guard& guard = {});

private:
  void steps(const Value& first, const Value& common, const Value& last, const Words& words, const Word& word, const Guard& guard);
  void step(const Value& pair, const Words& words, const Word& word, const Guard& guard);
  void add(int row, const Value& word, const std::vector<Value>& words);

  LoopBuilder& b_;
  PairOrder order_;
  bool instruction_;
  RegArray acc_, even_, odd_;
  int rows_, vectors_, lanes_;
};

}  // namespace quern
