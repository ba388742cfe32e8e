// compiler/loops/ops/PairLoops.cpp — see PairLoops.h.
#include "compiler/loops/ops/PairLoops.h"

#include "compiler/base/Checked.h"
#include "compiler/loops/build/PairWords.h"

namespace quern {

PairRows::PairRows(OpBuild& build, const Value& rows, int64_t k, int64_t pieces, int64_t more)
    : build_(build), rows_(rows), k_(k), pieces_(pieces) {
  // Rows of another length than A's: where A's lie a power of two apart, a tile's would share a few cache sets.
  constexpr int64_t kApart = 16;
  // Rows of a matrix tile are whole lines then.
  each_ = (more > 0 ? roundUp(ceilDiv(k, 2), kApart) : ceilDiv(k, 2)) + kApart;
  pairs_ = build.b.denseBuffer("pairs", Scalar::I32, BufferRole::SharedScratch, {rows + more, pieces * each_});
}

void PairRows::put(const Value& row, const Value& pair, const Value& low, const Value& high) {
  LoopBuilder& b = build_.b;
  auto piecesOf = [&](const Value& x) { return pieces_ == 1 ? std::vector<Value>{roundedHigh(b, x)} : threeHighs(b, x); };
  std::vector<Value> lows = piecesOf(low), highs = piecesOf(high);
  for (size_t piece = 0; piece < lows.size(); ++piece)
    b.store(pairs_, {row, pair + static_cast<int64_t>(piece) * each_}, wordOf(lows[piece], highs[piece]));
}

PairRows::PairRows(OpBuild& build, const BufferRef& a, PlaceInA at) : build_(build), k_(0), pieces_(1), pairs_(a), at_(std::move(at)) {}

Value PairRows::word(const Value& row, int64_t piece, const Value& index) const {
  if (at_) return build_.b.loadAs(Scalar::I32, pairs_, at_(row, index * 2), 1);
  return build_.b.load(pairs_, at(row, piece, index), 1);
}

void PairRows::copy(const BufferRef& a, const Value& row, const PlaceInA& at) {
  LoopBuilder& b = build_.b;
  build_.forVectors("pair", 0, k_ / 2, build_.target.vectorLanes(), 1, false, [&](const Value& pair, int lanes, const Value*) {
    b.store(pairs_, {row, pair}, b.loadAs(Scalar::I32, a, at(row, pair * 2), lanes));
  });
}

void PairRows::phase(const BufferRef& a, const PlaceInA& at) {
  LoopBuilder& b = build_.b;
  b.phase(rows_, [&](const Value& row) {
    if (a.element == Scalar::BF16) return copy(a, row, at);
    auto words = [&] {
      pairsOfRow(
          build_, k_, [&](const Value& k, int lanes) { return b.load(a, at(row, k), lanes); },
          [&](const Value& pair, const Value& low, const Value& high) { put(row, pair, low, high); });
    };
    if (pieces_ == 1) words();
    else b.flushed(words);
  });
}

PairProduct::PairProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                         const Value& panels)
    : build_(build),
      b_(build.b),
      order_(op.order),
      terms_(op.terms()),
      apart_(op.smallApart()),
      instruction_(s.dots == MatmulSchedule::DotsBf16),
      k_(op.k.value),
      piecesOfA_(op.piecesOfA()),
      lanes_(static_cast<int>(s.lanes)),
      unroll_(s.unrollK),
      weight_(build, name, op, s, batch, panels) {}

/// acc[r][vector] takes in all terms of one pair.
void PairProduct::addTerms(const RegArray& acc, const Value& r, size_t vector, const std::vector<Value>& a,
                           const std::vector<Value>& words) {
  Value v = static_cast<int64_t>(vector);
  auto dot = [&](const Value& sum, const PieceTerm& term) {
    const Value &own = a[static_cast<size_t>(term.a)], &other = words[static_cast<size_t>(term.b)];
    // The last argument may lie in memory, broadcast: a register less where many hold blocks.
    return weight_.roundsInRegisters() ? dotPairsOf(sum, other, own) : dotPairsOf(sum, own, other);
  };
  if (apart_) {
    Value small = f32Const(0, lanes_);
    for (const PieceTerm& term : terms_.first(terms_.size() - 1)) small = b_.let("small", dot(small, term));
    b_.set(acc, {r, v}, binary(LoopOp::AddFlushed, b_.get(acc, {r, v}), small));
  }
  for (const PieceTerm& term : apart_ ? terms_.last(1) : terms_) b_.set(acc, {r, v}, dot(b_.get(acc, {r, v}), term));
}

/// A row's pieces of a pair.
std::vector<Value> PairProduct::wordsOfA(const Tile& tile, const Value& r, const Value& pair) {
  std::vector<Value> pieces;
  for (int64_t piece = 0; piece < piecesOfA_; ++piece)
    pieces.push_back(b_.let("a", broadcast(rows_->word(tile.row + r, piece, pair), lanes_)));
  return pieces;
}

/// All vectors of the weight at once, row by row; where they are taken apart in registers one after the other, for all rows.
void PairProduct::pairStep(const Tile& tile, const Value& pair) {
  if (weight_.splitsInRegisters()) {
    std::vector<std::vector<Value>> a;
    for (int64_t r = 0; r < tile.rows; ++r) a.push_back(wordsOfA(tile, r, pair));
    for (size_t v = 0; v < tile.vectors.size(); ++v) {
      std::vector<Value> words = weight_.words(placeOf(tile), v, pair);
      for (int64_t r = 0; r < tile.rows; ++r) addTerms(tile.acc, r, v, a[static_cast<size_t>(r)], words);
    }
    return;
  }
  std::vector<std::vector<Value>> words;
  for (size_t v = 0; v < tile.vectors.size(); ++v) words.push_back(weight_.words(placeOf(tile), v, pair));
  addPair(tile, pair, words);
}

/// `words`: of each vector its pieces.
void PairProduct::addPair(const Tile& tile, const Value& pair, const std::vector<std::vector<Value>>& words) {
  b_.unroll("r", tile.rows, [&](const Value& r) {
    std::vector<Value> a = wordsOfA(tile, r, pair);
    for (size_t v = 0; v < words.size(); ++v) addTerms(tile.acc, r, v, a, words[v]);
  });
}

void PairProduct::inPairs(const Tile& tile) {
  auto step = [&](const Value& pair) { pairStep(tile, pair); };
  Value first = tile.k0 / 2, last = ceilDivOf(tile.k1, 2);
  Value bulk = unroll_ == 1 ? last : b_.let("bulk", first + (last - first) / unroll_ * unroll_);
  b_.loop("pair", first, bulk, unroll_, [&](const Value& pair) { b_.unroll("u", unroll_, [&](const Value& u) { step(pair + u); }); });
  if (unroll_ > 1) b_.loop("pair", bulk, last, 1, step);
}

/// even[r][v] and odd[r][v] go on by one pair of a term.
void PairProduct::chains(const Tile& tile, int64_t pieceOfA, const Value& pair, const WordOf& word, const Chains& sums) {
  std::vector<Value> low, high;
  for (size_t v = 0; v < tile.vectors.size(); ++v) {
    Value both = word(v);
    low.push_back(b_.let("low", lowOf(both))), high.push_back(b_.let("high", highOf(both)));
  }
  b_.unroll("r", tile.rows, [&](const Value& r) {
    Value a = b_.let("a", broadcast(rows_->word(tile.row + r, pieceOfA, pair), lanes_));
    Value first = b_.let("first", lowOf(a)), second = b_.let("second", highOf(a));
    for (size_t v = 0; v < low.size(); ++v) {
      auto at = static_cast<int64_t>(v);
      b_.set(sums.even, {r, at}, fmaFlushedOf(first, low[v], b_.get(sums.even, {r, at})));
      b_.set(sums.odd, {r, at}, fmaFlushedOf(second, high[v], b_.get(sums.odd, {r, at})));
    }
  });
}

/// 32 of k of a term, whose pairs `body` goes through.
void PairProduct::tileOf(const Tile& tile, const std::function<void(const Chains&)>& body) {
  auto vectors = static_cast<int64_t>(tile.vectors.size());
  std::vector<int> shape = {static_cast<int>(tile.rows), static_cast<int>(vectors)};
  Chains sums{b_.reg("even", shape, f32Const(0, lanes_)), b_.reg("odd", shape, f32Const(0, lanes_))};
  body(sums);
  b_.unroll("r", tile.rows, [&](const Value& r) {
    b_.unroll("v", vectors, [&](const Value& v) {
      Value both = binary(LoopOp::AddFlushed, b_.get(sums.even, {r, v}), b_.get(sums.odd, {r, v}));
      b_.set(tile.acc, {r, v}, binary(LoopOp::AddFlushed, b_.get(tile.acc, {r, v}), both));
    });
  });
}

void PairProduct::inTiles(const Tile& tile) {
  b_.loop("tile", tile.k0 / 2, ceilDivOf(tile.k1, 2), kTilePairs, [&](const Value& first) {
    for (const PieceTerm& term : terms_)
      tileOf(tile, [&](const Chains& sums) {
        b_.loop("pair", first, minOf(first + kTilePairs, ceilDiv(k_, 2)), 1, [&](const Value& pair) {
          auto word = [&](size_t v) { return weight_.words(placeOf(tile), v, pair)[static_cast<size_t>(term.b)]; };
          chains(tile, term.a, pair, word, sums);
        });
      });
  });
}

/// Of blocks, whose words are made on the way.
void PairProduct::blocks(const Tile& tile) {
  if (order_ == PairOrder::Pairs)
    return weight_.forPairs(placeOf(tile), tile.k1, [&](const Value& pair, const std::vector<Value>& words) {
      std::vector<std::vector<Value>> pieces;
      for (const Value& each : words) pieces.push_back({each});
      addPair(tile, pair, pieces);
    });
  const Chains* sums = nullptr;  // of the 32 of k that are gone through
  weight_.forPairs(
      placeOf(tile), tile.k1,
      [&](const Value& pair, const std::vector<Value>& words) { chains(tile, 0, pair, [&](size_t v) { return words[v]; }, *sums); },
      [&](const std::function<void()>& pairs) {
        tileOf(tile, [&](const Chains& own) {
          sums = &own;
          pairs();
        });
      });
}

void PairProduct::run(const Tile& tile) {
  tile.start();
  bool blocksHere = weight_.roundsInRegisters();
  if (instruction_ && !apart_ && !blocksHere) return inPairs(tile);
  b_.flushed([&] {
    if (blocksHere) blocks(tile);
    else if (order_ == PairOrder::Pairs) inPairs(tile);
    else inTiles(tile);
  });
}

}  // namespace quern
