// compiler/loops/ops/AttentionPairs.cpp — see AttentionPairs.h.
#include "compiler/loops/ops/AttentionPairs.h"

#include "compiler/base/Checked.h"
#include "compiler/loops/build/Lanes.h"

#include <algorithm>
#include <array>
#include <bit>

namespace quern {

static constexpr int64_t kTileWords = kKeyTile / 2;  ///< of a row's weights, or of a column's values
static constexpr int64_t kGridColumns = 2 * TileGrid::kWords;
static constexpr TileGrid::Part kGrid{TileGrid::kRows, 2};

static Value highShifted(const Value& half) { return binary(LoopOp::Shl, half, i32Const(16, half.lanes())); }

AttentionPairs::AttentionPairs(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule, const BufferRef& keys,
                               const BufferRef& values)
    : build_(build),
      b_(build.b),
      op_(op),
      s_(schedule),
      lanes_(static_cast<int>(schedule.lanes)),
      words_(ceilDiv(op.headDim.value, 2)),
      keys_(keys),
      values_(values) {
  auto scratch = [&](const char* name, std::vector<Value> shape) {
    return b_.denseBuffer(name, Scalar::I32, BufferRole::ThreadScratch, std::move(shape));
  };
  queries_ = scratch("queries", {schedule.rows, words_});
  bool tiles = schedule.dots == AttentionSchedule::DotsAmx;
  int64_t rows = kTileWords * ceilDiv(op.headDim.value, kColumns);  // the loads of tiles go by rows
  copy_ = scratch("tile_copy", tiles ? std::vector<Value>{rows, kKeyTile} : std::vector<Value>{kKeyTile * words_});
  weights_ = scratch("weights", {schedule.tiles, schedule.rows, kTileWords});
  if (!tiles) return;
  grid_.emplace(b_, TileGrid::kRows, kGridColumns);
  nonFinite_ = scratch("non_finite", {1});
}

void AttentionPairs::takeQuery(const BufferRef& query, const Value& row, const Value& token, const Value& head) {
  roundRow(
      build_, op_.headDim.value, [&](const Value& d, int lanes) { return b_.load(query, std::array{token, head, d}, lanes); },
      [&](const Value& pair, const Value& word) { b_.store(queries_, {row, pair}, word); });
}

void AttentionPairs::takeKeys(const AttentionPlace& at, const Value& count) {
  Value last = b_.let("last", count - 1);
  int64_t whole = op_.headDim.value / 2, from = 0;
  // Squares of words, smaller ones for what the larger leave; the rest word by word.
  for (int side = lanes_; side >= 4; side /= 2) {
    int64_t end = from + (whole - from) / side * side;
    if (from < end)
      b_.loop("c", 0, count, side,
              [&](const Value& c) { b_.loop("pair", from, end, side, [&](const Value& pair) { turn(at, c, last, pair, side); }); });
    from = end;
  }
  if (from < words_) b_.loop("c", 0, count, 1, [&](const Value& c) { wordsOfOneKey(at, c, from); });
}

void AttentionPairs::turn(const AttentionPlace& at, const Value& c, const Value& last, const Value& pair, int side) {
  std::vector<Value> rows;
  for (int r = 0; r < side; ++r) {
    Value key = b_.let("key", at.tile0 + minOf(c + r, last));  // the last again where there are no more
    rows.push_back(b_.let("row", b_.loadAs(Scalar::I32, keys_, std::array{key, at.kvHead, pair * 2}, side)));
  }
  rows = transposed(b_, std::move(rows));
  for (int r = 0; r < side; ++r) b_.store(copy_, placeOfKey(pair + r, c), rows[static_cast<size_t>(r)]);
}

void AttentionPairs::wordsOfOneKey(const AttentionPlace& at, const Value& key, int64_t from) {
  for (int64_t pair = from; pair < words_; ++pair) {
    Value word = b_.load(keys_, {at.tile0 + key, at.kvHead, 2 * pair});
    if (2 * pair + 1 < op_.headDim.value)
      word = binary(LoopOp::Or, word, highShifted(b_.load(keys_, {at.tile0 + key, at.kvHead, 2 * pair + 1})));
    b_.store(copy_, placeOfKey(pair, key), word);
  }
}

Value AttentionPairs::valueWord(const AttentionPlace& at, const Value& pair, const Value& column, int lanes, const Value* mask,
                                const Value* last) {
  Value second = last == nullptr ? pair * 2 + 1 : minOf(pair * 2 + 1, *last);
  Value low = b_.load(values_, {at.tile0 + pair * 2, at.kvHead, column}, lanes, mask);
  return binary(LoopOp::Or, low, highShifted(b_.load(values_, {at.tile0 + second, at.kvHead, column}, lanes, mask)));
}

void AttentionPairs::takeValues(const AttentionPlace& at, const Value& count) {
  if (s_.pack == AttentionSchedule::PackNone) return;
  Value last = b_.let("last", count - 1);
  if (grid_) return takeAllValues(at, count, last);
  b_.loop("pair", 0, ceilDivOf(count, 2), 1, [&](const Value& pair) {
    eachColumns([&](const Value& d, int64_t first, int lanes, const Value* mask) {
      b_.store(copy_, placeOfValue(pair, d, first), valueWord(at, pair, d, lanes, mask, &last), mask);
    });
  });
}

void AttentionPairs::eachColumns(const std::function<void(const Value&, int64_t, int, const Value*)>& step) {
  int64_t width = op_.headDim.value, together = columnsTogether();
  for (int64_t first = 0; first < width; first += together)
    build_.forVectors("d", first, std::min(together, width - first), lanes_, 1, build_.masks(),
                      [&](const Value& d, int lanes, const Value* mask) { step(d, first, lanes, mask); });
}

std::vector<Value> AttentionPairs::placeOfKey(const Value& pair, const Value& key, int64_t more) const {
  if (grid_) return {pair, key + more};
  return {pair * kKeyTile + key + more};
}

std::vector<Value> AttentionPairs::placeOfValue(const Value& pair, const Value& column, int64_t first) const {
  if (grid_) return {pair + first / kColumns * kTileWords, column - first};
  return {pair * op_.headDim.value + column};
}

/// Zeros behind the last key: tiles read them.
void AttentionPairs::takeAllValues(const AttentionPlace& at, const Value& count, const Value& last) {
  constexpr int32_t kExponents = 0x7f807f80, kLowest = 0x00800080, kCarried = static_cast<int32_t>(0x80008000);
  RegArray carries = b_.reg("carries", {1}, i32Const(0, lanes_));
  b_.loop("pair", 0, ceilDivOf(count, 2), 1, [&](const Value& pair) {
    Value there = b_.let("there", broadcast(selectOf(lessThan(last, pair * 2 + 1), i32Const(0xffff), i32Const(-1)), lanes_));
    eachColumns([&](const Value& d, int64_t first, int lanes, const Value* mask) {
      Value word = b_.let("word", binary(LoopOp::And, valueWord(at, pair, d, lanes, mask, &last), there));
      b_.store(copy_, placeOfValue(pair, d, first), word, mask);
      // An exponent of ones alone carries into the bit above.
      Value carry = binary(LoopOp::And, word, i32Const(kExponents, lanes)) + i32Const(kLowest, lanes);
      b_.set(carries, {0}, binary(LoopOp::Or, b_.get(carries, {0}), carry));
    });
  });
  b_.loop("pair", ceilDivOf(count, 2), kTileWords, 1, [&](const Value& pair) {
    eachColumns([&](const Value& d, int64_t first, int lanes, const Value* mask) {
      b_.store(copy_, placeOfValue(pair, d, first), i32Const(0, lanes), mask);
    });
  });
  auto either = [](const Value& x, const Value& y) { return binary(LoopOp::Or, x, y); };
  Value all = foldTogether(b_, either, {b_.get(carries, {0})});
  b_.store(nonFinite_, {0}, binary(LoopOp::And, shuffleOf(all, all, {0}), i32Const(kCarried)));
}

Value AttentionPairs::hasNonFinite() { return binary(LoopOp::Ne, b_.load(nonFinite_, {0}), i32Const(0)); }

void AttentionPairs::inTiles(const std::function<void()>& body) {
  if (grid_) grid_->inTiles(TileGrid::kWords, body);
  else body();
}

void AttentionPairs::scoreOnTiles(const AttentionPlace& at, const Value& row, const Value& most, const BufferRef& scores) {
  b_.loop("j", 0, most, kGridColumns, [&](const Value& j) {
    grid_->zero(kGrid);
    b_.loop("pair", 0, words_, TileGrid::kWords, [&](const Value& pair) {
      grid_->columns(kGrid, [&](size_t v) { return TileGrid::Place{copy_, {pair, j + static_cast<int64_t>(v) * TileGrid::kWords}}; });
      grid_->dots(TileDot::Pairs, kGrid, [&](int64_t r) { return TileGrid::Place{queries_, {row + r, pair}}; });
    });
    grid_->store(kGrid, {scores, {at.slot, row, j}});
  });
}

void AttentionPairs::weighOnTiles(const AttentionPlace& at, const Value& row, const Value& most, int64_t first, const BufferRef& sums) {
  b_.loop("column", 0, std::min(kColumns, op_.headDim.value - first), kGridColumns, [&](const Value& column) {
    grid_->zero(kGrid);
    b_.loop("pair", 0, ceilDivOf(most, 2), TileGrid::kWords, [&](const Value& pair) {
      grid_->columns(kGrid, [&](size_t v) {
        return TileGrid::Place{copy_, placeOfValue(pair, column + (first + static_cast<int64_t>(v) * TileGrid::kWords), first)};
      });
      grid_->dots(TileDot::Pairs, kGrid, [&](int64_t r) { return TileGrid::Place{weights_, {at.slot, row + r, pair}}; });
    });
    grid_->store(kGrid, {sums, {at.slot, row, column}});
  });
}

void AttentionPairs::score(const AttentionPlace& at, const AttentionRows& rows, const Value& most, const BufferRef& scores) {
  auto fit = static_cast<uint64_t>(s_.pairVectors(op_, rows.count, build_.target));
  int vectors = std::min(static_cast<int>(std::bit_floor(fit)), static_cast<int>(kKeyTile) / lanes_);
  b_.loop("j", 0, most, vectors * lanes_, [&](const Value& j) {
    RegArray total = b_.reg("total", {rows.count, vectors}, f32Const(0, lanes_));
    auto words = [&](const Value& pair) {
      std::vector<Value> all;
      for (int v = 0; v < vectors; ++v) all.push_back(b_.load(copy_, placeOfKey(pair, j, v * lanes_), lanes_));
      return all;
    };
    auto word = [&](const Value& pair, int u) { return b_.load(queries_, {rows.place + u, pair}); };
    PairSums(b_, op_.order, s_.dots == AttentionSchedule::DotsBf16, total, rows.count, vectors).run(words_, words_, words, word);
    for (int u = 0; u < rows.count; ++u)
      for (int v = 0; v < vectors; ++v) b_.store(scores, {at.slot, rows.place + u, j + v * lanes_}, b_.get(total, {u, v}));
  });
}

std::vector<Value> AttentionPairs::keepWeights(const AttentionPlace& at, const Value& row, const std::vector<Value>& exponentials) {
  constexpr auto kHigh = static_cast<int32_t>(0xffff0000);
  std::vector<int> evens, odds;
  for (int i = 0; i < lanes_; ++i) evens.push_back(2 * i), odds.push_back(2 * i + 1);
  std::vector<Value> words, floats;
  for (const Value& p : exponentials) {
    words.push_back(b_.let("rounded", binary(LoopOp::And, roundedHigh(b_, p), i32Const(kHigh, lanes_))));
    floats.push_back(b_.let("p", unary(LoopOp::BitsF32, words.back())));
  }
  for (size_t c = 0; c < words.size(); c += 2) {
    Value low = shuffleOf(words[c], words[c + 1], evens), high = shuffleOf(words[c], words[c + 1], odds);
    Value both = binary(LoopOp::Or, binary(LoopOp::Lshr, low, i32Const(16, lanes_)), high);
    b_.store(weights_, {at.slot, row, static_cast<int64_t>(c) * lanes_ / 2}, both);
  }
  return floats;
}

void AttentionPairs::addValues(const AttentionPlace& at, const AttentionRows& rows, const std::vector<Value>* counts,
                               const Columns& columns) {
  int64_t width = op_.headDim.value;
  Value mask = maskOf(width - (columns.first + columns.vectors - 1) * lanes_, lanes_), last;
  if (counts != nullptr) last = b_.let("last", counts->back() - 1);
  auto words = [&](const Value& pair) {
    std::vector<Value> all;
    for (int64_t v = 0; v < columns.vectors; ++v) {
      int64_t column = (columns.first + v) * lanes_;
      const Value* tail = column + lanes_ > width ? &mask : nullptr;
      if (s_.pack == AttentionSchedule::PackKv)
        all.push_back(b_.load(copy_, placeOfValue(pair, column, column / columnsTogether() * columnsTogether()), lanes_, tail));
      else all.push_back(valueWord(at, pair, column, lanes_, tail, counts == nullptr ? nullptr : &last));
    }
    return all;
  };
  auto word = [&](const Value& pair, int u) { return b_.load(weights_, {at.slot, rows.place + u, pair}); };
  PairSums sums(b_, op_.order, s_.dots == AttentionSchedule::DotsBf16, columns.acc, rows.count, static_cast<int>(columns.vectors));
  if (counts == nullptr) return sums.run(kTileWords, kTileWords, words, word);
  // A weight of 0 does not hide an Inf or a NaN of a later key, nor what lies behind the last: their half of a word is made 0 too.
  sums.run(counts->front() / 2, ceilDivOf(counts->back(), 2), words, word,
           [&](const Value& pair, int u, const std::function<void(const Value*)>& body) {
             const Value& count = (*counts)[static_cast<size_t>(u)];
             b_.when(lessThan(pair * 2, count), [&] {
               Value seen = selectOf(lessThan(pair * 2 + 1, count), i32Const(-1), i32Const(0xffff));
               Value half = b_.let("seen", broadcast(seen, lanes_));
               body(&half);
             });
           });
}

}  // namespace quern
