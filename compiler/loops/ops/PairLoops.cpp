// compiler/loops/ops/PairLoops.cpp — see PairLoops.h.
#include "compiler/loops/ops/PairLoops.h"

#include "compiler/base/Checked.h"
#include "compiler/loops/build/PairWords.h"

#include <algorithm>

namespace quern {

PairRows::PairRows(OpBuild& build, const Value& rows, int64_t k, int64_t more) : build_(build), rows_(rows), k_(k) {
  // Rows of another length than A's: where A's lie a power of two apart, a tile's would share a few cache sets.
  constexpr int64_t kApart = 16;
  // Rows of a matrix tile are whole lines then.
  int64_t pairs = more > 0 ? roundUp(ceilDiv(k, 2), kApart) : ceilDiv(k, 2);
  pairs_ = build.b.denseBuffer("pairs", Scalar::I32, BufferRole::SharedScratch, {rows + more, pairs + kApart});
}

void PairRows::phase(const BufferRef& a, const std::function<std::vector<Value>(const Value& row, const Value& k)>& at) {
  LoopBuilder& b = build_.b;
  b.phase(rows_, [&](const Value& row) {
    roundRow(
        build_, k_, [&](const Value& k, int lanes) { return b.load(a, at(row, k), lanes); },
        [&](const Value& pair, const Value& word) { b.store(pairs_, {row, pair}, word); });
  });
}

PairProduct::PairProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                         const Value& panels)
    : build_(build),
      b_(build.b),
      order_(op.order),
      instruction_(s.dots == MatmulSchedule::DotsBf16),
      k_(op.k.value),
      panel_(s.panelWidth()),
      pairs_(ceilDiv(k_, 2)),
      lanes_(static_cast<int>(s.lanes)),
      unroll_(s.unrollK),
      prefetch_(ceilDiv(s.prefetch, 2)) {
  packed_ = b_.denseBuffer(name, Scalar::I32, BufferRole::Packed, {batch, panels, pairs_, panel_});
}

Value PairProduct::word(const Tile& tile, size_t vector, const Value& pair) const {
  const WeightColumns& columns = tile.vectors[vector];
  constexpr int64_t kLineWords = 16;
  if (prefetch_ > 0 && static_cast<int64_t>(vector) * lanes_ % kLineWords == 0)
    b_.prefetch(packed_, std::vector<Value>{tile.batch, columns.panel, pair + prefetch_, columns.column});
  return b_.let("b", b_.load(packed_, {tile.batch, columns.panel, pair, columns.column}, lanes_));
}

void PairProduct::inPairs(const Tile& tile) {
  auto step = [&](const Value& pair) {
    std::vector<Value> words;
    for (size_t v = 0; v < tile.vectors.size(); ++v) words.push_back(word(tile, v, pair));
    b_.unroll("r", tile.rows, [&](const Value& r) {
      Value a = b_.let("a", broadcast(rows_->word(tile.row + r, pair), lanes_));
      for (size_t v = 0; v < words.size(); ++v) {
        auto at = static_cast<int64_t>(v);
        b_.set(tile.acc, {r, at}, dotPairsOf(b_.get(tile.acc, {r, at}), a, words[v]));
      }
    });
  };
  Value first = tile.k0 / 2, last = ceilDivOf(tile.k1, 2);
  Value bulk = unroll_ == 1 ? last : b_.let("bulk", first + (last - first) / unroll_ * unroll_);
  b_.loop("pair", first, bulk, unroll_, [&](const Value& pair) { b_.unroll("u", unroll_, [&](const Value& u) { step(pair + u); }); });
  if (unroll_ > 1) b_.loop("pair", bulk, last, 1, step);
}

/// even[r][v] and odd[r][v] go on by one pair.
void PairProduct::chains(const Tile& tile, const Value& pair, const RegArray& even, const RegArray& odd) {
  std::vector<Value> low, high;
  for (size_t v = 0; v < tile.vectors.size(); ++v) {
    Value both = word(tile, v, pair);
    low.push_back(b_.let("low", lowOf(both))), high.push_back(b_.let("high", highOf(both)));
  }
  b_.unroll("r", tile.rows, [&](const Value& r) {
    Value a = b_.let("a", broadcast(rows_->word(tile.row + r, pair), lanes_));
    Value first = b_.let("first", lowOf(a)), second = b_.let("second", highOf(a));
    for (size_t v = 0; v < low.size(); ++v) {
      auto at = static_cast<int64_t>(v);
      b_.set(even, {r, at}, fmaFlushedOf(first, low[v], b_.get(even, {r, at})));
      b_.set(odd, {r, at}, fmaFlushedOf(second, high[v], b_.get(odd, {r, at})));
    }
  });
}

void PairProduct::inTiles(const Tile& tile) {
  auto vectors = static_cast<int64_t>(tile.vectors.size());
  std::vector<int> shape = {static_cast<int>(tile.rows), static_cast<int>(vectors)};
  b_.loop("tile", tile.k0 / 2, ceilDivOf(tile.k1, 2), kTilePairs, [&](const Value& first) {
    RegArray even = b_.reg("even", shape, f32Const(0, lanes_)), odd = b_.reg("odd", shape, f32Const(0, lanes_));
    b_.loop("pair", first, minOf(first + kTilePairs, pairs_), 1, [&](const Value& pair) { chains(tile, pair, even, odd); });
    b_.unroll("r", tile.rows, [&](const Value& r) {
      b_.unroll("v", vectors, [&](const Value& v) {
        Value both = binary(LoopOp::AddFlushed, b_.get(even, {r, v}), b_.get(odd, {r, v}));
        b_.set(tile.acc, {r, v}, binary(LoopOp::AddFlushed, b_.get(tile.acc, {r, v}), both));
      });
    });
  });
}

void PairProduct::run(const Tile& tile) {
  tile.start();
  if (instruction_) return inPairs(tile);
  b_.flushed([&] {
    if (order_ == PairOrder::Pairs) inPairs(tile);
    else inTiles(tile);
  });
}

}  // namespace quern
