// compiler/loops/ops/AttentionTile.cpp — see AttentionTile.h. Everything is unrolled over rows; lanes lie along head_dim in the products
// (keys and values are read where they are) and along keys in the softmax.
#include "compiler/loops/ops/AttentionTile.h"

#include "compiler/loops/build/Halves.h"
#include "compiler/loops/build/Lanes.h"

#include <algorithm>
#include <array>
#include <limits>

namespace quern {

static constexpr int kDotPartials = 16;

AttentionTile::AttentionTile(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule)
    : build_(build), op_(op), s_(schedule), lanes_(static_cast<int>(schedule.lanes)) {
  std::vector<TensorSpec> inputs = op.inputs();
  query = build.strided(inputs[0], BufferRole::In);
  keys = build.strided(inputs[1], BufferRole::In);
  values = build.strided(inputs[2], BufferRole::In);
  out = build.strided(op.output(), BufferRole::Out);
  auto scratch = [&](const char* name, std::vector<Value> shape) {
    return build.b.denseBuffer(name, Scalar::F32, BufferRole::ThreadScratch, std::move(shape));
  };
  scores_ = scratch("scores", {schedule.tiles, schedule.rows, kKeyTile});
  factors_ = scratch("factors", {schedule.tiles, schedule.rows});
  if (op.a == RoundedTo::BF16) pairs_.emplace(build, op, schedule, keys, values);
  else if (schedule.pack == AttentionSchedule::PackKv) copy_ = scratch("tile_copy", {kKeyTile * op.headDim.value});
  else partials_ = scratch("partials", {schedule.lanes, kDotPartials});
}

void AttentionTile::columns(const std::function<void(const Value&, int, const Value*)>& step) {
  build_.forVectors("d", 0, op_.headDim.value, lanes_, 1, build_.masks(), step);
}

static std::vector<Value> placeOf(std::vector<Value> index, const Value& column) {
  index.push_back(column);
  return index;
}

void AttentionTile::clear(const AttentionState& state, const Value& place, const std::vector<Value>& index) {
  LoopBuilder& b = build_.b;
  b.store(state.highest, {place}, f32Const(-std::numeric_limits<float>::infinity()));
  b.store(state.sum, {place}, f32Const(0));
  columns([&](const Value& at, int lanes, const Value* mask) { b.store(state.values, placeOf(index, at), f32Const(0, lanes), mask); });
}

void AttentionTile::clear(const AttentionState& state, const Value& rows) {
  build_.b.loop("r", 0, rows, 1, [&](const Value& r) { clear(state, r, {r}); });
}

static Value decayFrom(const Value& x, const Value& top) { return unary(LoopOp::Decay, x - top); }

void AttentionTile::takeKeys(const Value& count) {
  LoopBuilder& b = build_.b;
  if (pairs_) return pairs_->takeKeys(at_, count);
  if (s_.pack == AttentionSchedule::PackNone) return;
  int64_t width = op_.headDim.value, whole = width / lanes_ * lanes_;
  b.loop("c", 0, count, lanes_, [&](const Value& c) {
    b.loop("d", 0, whole, lanes_, [&](const Value& d) { turn(c, count, d, lanes_); });
    if (whole < width) turn(c, count, whole, static_cast<int>(width - whole));
  });
}

void AttentionTile::turn(const Value& c, const Value& count, const Value& d, int columns) {
  LoopBuilder& b = build_.b;
  Value mask = maskOf(columns, lanes_);
  std::vector<Value> rows;
  for (int r = 0; r < lanes_; ++r) {
    Value key = b.let("key", at_.tile0 + minOf(c + r, count - 1));  // the last again where there are no more
    rows.push_back(b.let("row", loadFloats(build_, keys, {key, at_.kvHead, d}, lanes_, columns < lanes_ ? &mask : nullptr)));
  }
  rows = transposed(b, std::move(rows));
  for (int r = 0; r < columns; ++r) b.store(copy_, {(d + r) * kKeyTile + c}, rows[static_cast<size_t>(r)]);
}

void AttentionTile::takeValues(const Value& count) {
  LoopBuilder& b = build_.b;
  if (pairs_) return pairs_->takeValues(at_, count);
  if (s_.pack == AttentionSchedule::PackNone) return;
  b.loop("j", 0, count, 1, [&](const Value& j) {
    columns([&](const Value& at, int lanes, const Value* mask) {
      b.store(copy_, {j * op_.headDim.value + at}, loadFloats(build_, values, {at_.tile0 + j, at_.kvHead, at}, lanes, mask), mask);
    });
  });
}

void AttentionTile::askFor(const BufferRef& from, const Value& tile0, const AttentionRows& rows) {
  if (s_.pack == AttentionSchedule::PackNone) return;
  const int64_t line = pairs_ || from.blocks ? 32 : 16;
  int64_t each = (kKeyTile + s_.rows - 1) / s_.rows;
  for (int64_t i = 0; i < rows.count * each; ++i)
    for (int64_t d = 0; d < op_.headDim.value; d += line)
      build_.b.prefetch(from, storedPlace(from, std::array<Value, 3>{tile0 + rows.place * each + i, at_.kvHead, d}));
}

std::vector<Value> AttentionTile::countsOf(const AttentionRows& rows) {
  std::vector<Value> counts;
  for (const Value& limit : rows.limit) counts.push_back(build_.b.let("count", maxOf(minOf(limit - at_.tile0, kKeyTile), 0)));
  return counts;
}

void AttentionTile::score(const AttentionState& state, const AttentionRows& rows) {
  LoopBuilder& b = build_.b;
  askFor(values, at_.tile0, rows);
  std::vector<Value> counts = countsOf(rows);
  b.when(lessThan(0, counts.back()), [&] {
    if (pairs_) pairs_->score(at_, rows, counts.back(), scores_);
    else if (s_.pack == AttentionSchedule::PackNone) scoreInPlace(rows, counts.back());
    else scoreCopied(rows, counts.back());
    b.when(lessThan(counts.front(), kKeyTile), [&] { normalise(state, rows, &counts); }, [&] { normalise(state, rows, nullptr); });
  });
}

void AttentionTile::weigh(const AttentionState& state, const AttentionRows& rows) {
  LoopBuilder& b = build_.b;
  askFor(keys, at_.tile0 + kKeyTile, rows);
  std::vector<Value> counts = countsOf(rows);
  b.when(lessThan(0, counts.back()), [&] {
    b.when(lessThan(counts.front(), kKeyTile), [&] { weighRows(state, rows, &counts); }, [&] { weighRows(state, rows, nullptr); });
  });
}

void AttentionTile::scoreInPlace(const AttentionRows& rows, const Value& most) {
  LoopBuilder& b = build_.b;
  int64_t step = lanes_ / rows.count;
  Value full = b.let("full", most / step * step);
  b.loop("j", 0, full, step, [&](const Value& j) { scoreGroup(rows, j, nullptr); });
  b.when(lessThan(full, most), [&] {
    Value last = b.let("last", most - 1);  // read again in place of keys that are not there
    scoreGroup(rows, full, &last);
  });
}

static int64_t vectorsAtOnce(const AttentionRows& rows, int lanes) { return std::min<int64_t>(kKeyTile / lanes, rows.count == 1 ? 4 : 2); }

void AttentionTile::scoreCopied(const AttentionRows& rows, const Value& most) {
  LoopBuilder& b = build_.b;
  int64_t vectors = vectorsAtOnce(rows, lanes_), half = kDotPartials / 2;
  int64_t terms = op_.headDim.value / kDotPartials, rest = op_.headDim.value % kDotPartials;
  b.loop("j", 0, most, vectors * lanes_, [&](const Value& j) {
    RegArray total = b.reg("total", {rows.count, static_cast<int>(vectors)}, f32Const(0, lanes_));
    // Partials p and p + 8 have one term more where p, p + 8 < rest.
    int64_t both = std::max<int64_t>(0, rest - half), one = std::min(rest, half);
    auto range = [&](int64_t from, int64_t to, int64_t lower, int64_t upper) {
      if (from < to && lower > 0) b.loop("p", from, to, 1, [&](const Value& p) { addPartials(rows, total, p, lower, upper, j); });
    };
    range(0, both, terms + 1, terms + 1);
    range(both, one, terms + 1, terms);
    range(one, half, terms, terms);
    for (int u = 0; u < rows.count; ++u)
      for (int64_t c = 0; c < vectors; ++c)
        b.store(scores_, {at_.slot, rows.place + u, j + c * lanes_}, b.get(total, {u, c}) * f32Const(op_.factor(), lanes_));
  });
}

void AttentionTile::addPartials(const AttentionRows& rows, const RegArray& total, const Value& p, int64_t terms, int64_t upperTerms,
                                const Value& j) {
  LoopBuilder& b = build_.b;
  int64_t vectors = vectorsAtOnce(rows, lanes_);
  RegArray chain = b.reg("chain", {2, rows.count, static_cast<int>(vectors)}, f32Const(0, lanes_));
  for (int64_t upper = 0; upper < 2; ++upper)
    for (int64_t t = 0; t < (upper == 1 ? upperTerms : terms); ++t) {
      Value d = b.let("d", p + (upper * kDotPartials / 2 + t * kDotPartials));
      std::vector<Value> k;
      for (int64_t c = 0; c < vectors; ++c) k.push_back(b.let("k", b.load(copy_, {d * kKeyTile + j + c * lanes_}, lanes_)));
      for (int u = 0; u < rows.count; ++u) {
        Value q = b.let("q", broadcast(b.load(query, {rows.query[static_cast<size_t>(u)], rows.head[static_cast<size_t>(u)], d}), lanes_));
        for (int64_t c = 0; c < vectors; ++c)
          b.set(chain, {upper, u, c}, build_.mulAdd(q, k[static_cast<size_t>(c)], b.get(chain, {upper, u, c})));
      }
    }
  for (int u = 0; u < rows.count; ++u)
    for (int64_t c = 0; c < vectors; ++c) b.set(total, {u, c}, b.get(total, {u, c}) + (b.get(chain, {0, u, c}) + b.get(chain, {1, u, c})));
}

void AttentionTile::scoreGroup(const AttentionRows& rows, const Value& j, const Value* last) {
  LoopBuilder& b = build_.b;
  int keyCount = lanes_ / rows.count;
  // A short loop: hardware prefetchers follow a few loads, not those of all keys written out.
  int64_t step = std::min<int64_t>(s_.kr, keyCount);
  b.loop("c", 0, keyCount, step, [&](const Value& c) { dots(rows, j, c, step, last); });
  Value all = b.let("scaled", addedPartials() * f32Const(op_.factor(), lanes_));
  for (int u = 0; u < rows.count; ++u) {
    std::vector<int> pattern;
    for (int c = 0; c < keyCount; ++c) pattern.push_back(u * keyCount + c);
    b.store(scores_, {at_.slot, rows.place + u, j}, rows.count == 1 ? all : shuffleOf(all, all, pattern));
  }
}

/// The partials of keys j + c ... for each row.
void AttentionTile::dots(const AttentionRows& rows, const Value& j, const Value& c, int64_t keyCount, const Value* last) {
  LoopBuilder& b = build_.b;
  int64_t parts = kDotPartials / lanes_, width = op_.headDim.value;
  int64_t together = keys.blocks ? formatOf(op_.kvType).block : width;  // what shares a scale follows each other: partials do not care
  std::vector<Value> index;
  for (int64_t i = 0; i < keyCount; ++i) index.push_back(b.let("key", last == nullptr ? j + c + i : minOf(j + c + i, *last)));
  RegArray acc = b.reg("dot", {rows.count, static_cast<int>(keyCount), static_cast<int>(parts)}, f32Const(0, lanes_));
  auto some = [&](int64_t part, int64_t from, int64_t to) {
    for (int64_t d = from + part * lanes_; d < to; d += kDotPartials) {
      Value mask = maskOf(width - d, lanes_);
      const Value* tail = width - d < lanes_ ? &mask : nullptr;
      std::vector<Value> q;
      for (int u = 0; u < rows.count; ++u)
        q.push_back(b.let("q", b.load(query, {rows.query[static_cast<size_t>(u)], rows.head[static_cast<size_t>(u)], d}, lanes_, tail)));
      for (int64_t i = 0; i < keyCount; ++i) {
        Value k = loadFloats(build_, keys, {at_.tile0 + index[static_cast<size_t>(i)], at_.kvHead, d}, lanes_, tail);
        if (rows.count > 1) k = b.let("k", k);
        for (int u = 0; u < rows.count; ++u)
          b.set(acc, {u, i, part}, build_.mulAdd(q[static_cast<size_t>(u)], k, b.get(acc, {u, i, part})));
      }
    }
  };
  for (int64_t from = 0; from < width; from += together)
    for (int64_t part = 0; part < parts; ++part) some(part, from, std::min(width, from + together));
  for (int u = 0; u < rows.count; ++u)
    for (int64_t i = 0; i < keyCount; ++i)
      for (int64_t part = 0; part < parts; ++part)
        b.store(partials_, {u * (lanes_ / rows.count) + c + i, part * lanes_}, b.get(acc, {u, i, part}));
}

/// The partials of as many dots as lanes, added: lane i of the result is dot i.
Value AttentionTile::addedPartials() {
  LoopBuilder& b = build_.b;
  auto partial = [&](int dot, int p) { return b.load(partials_, {dot, p}, lanes_); };
  std::vector<std::vector<Value>> eights;  // [lanes of eight][dot], p and p + 8 added
  if (lanes_ < kDotPartials) {
    for (int p = 0; p < kDotPartials / 2; p += lanes_) {
      eights.emplace_back();
      for (int dot = 0; dot < lanes_; ++dot) eights.back().push_back(b.let("eight", partial(dot, p) + partial(dot, p + kDotPartials / 2)));
    }
  } else {
    // The lower half of dot i beside the upper half of dot i + 8, and the other halves crosswise.
    std::vector<int> straight, crossed;
    for (int lane = 0; lane < 16; ++lane) {
      straight.push_back(lane < 8 ? lane : 16 + lane);
      crossed.push_back(lane < 8 ? lane + 8 : 16 + lane - 8);
    }
    eights.emplace_back();
    for (int dot = 0; dot < lanes_ / 2; ++dot) {
      Value x = b.let("low", partial(dot, 0)), y = b.let("high", partial(dot + lanes_ / 2, 0));
      eights[0].push_back(b.let("eight", shuffleOf(x, y, straight) + shuffleOf(x, y, crossed)));
    }
  }
  Value total;
  for (std::vector<Value>& part : eights)
    for (const Value& next : transposed(b, std::move(part))) total = b.let("total", total.expr() == nullptr ? next : total + next);
  return total;
}

/// One lane of each source out of what foldTogether gave for `count` of them.
static Value lanePerSource(const Value& folded, int count) {
  if (folded.lanes() == count) return folded;
  std::vector<int> pattern;
  for (int i = 0; i < count; ++i) pattern.push_back(i * (folded.lanes() / count));
  return shuffleOf(folded, folded, pattern);
}

static Value splat(const Value& perRow, int row, int lanes) {
  if (perRow.lanes() == 1) return broadcast(perRow, lanes);
  return shuffleOf(perRow, perRow, std::vector<int>(static_cast<size_t>(lanes), row));
}

void AttentionTile::normalise(const AttentionState& state, const AttentionRows& rows, const std::vector<Value>* counts) {
  LoopBuilder& b = build_.b;
  int vectors = static_cast<int>(kKeyTile) / lanes_;
  Value least = f32Const(-std::numeric_limits<float>::infinity(), lanes_);
  auto score = [&](int u, int c) {
    Value s = b.load(scores_, {at_.slot, rows.place + u, c * lanes_}, lanes_);
    if (pairs_) s = b.let("scaled", s * f32Const(op_.factor(), lanes_));
    return counts == nullptr ? s : selectOf(maskOf((*counts)[static_cast<size_t>(u)] - c * lanes_, lanes_), s, least);
  };
  std::vector<Value> tops;
  for (int u = 0; u < rows.count; ++u) {
    std::vector<Value> all;
    for (int c = 0; c < vectors; ++c) all.push_back(b.let("s", score(u, c)));
    tops.push_back(foldVectors(b, plainMax, std::move(all)));
  }
  Value before = b.let("before", b.load(state.highest, {rows.place}, rows.count));
  Value now = b.let("now", plainMax(before, lanePerSource(foldTogether(b, plainMax, std::move(tops)), rows.count)));
  Value top = exponentBase(b, now);
  Value factor = b.let("f", decayFrom(before, top));
  std::vector<Value> sums;
  for (int u = 0; u < rows.count; ++u) {
    Value own = b.let("own", splat(top, u, lanes_));
    std::vector<Value> all;
    for (int c = 0; c < vectors; ++c) {
      Value p = b.let("p", decayFrom(score(u, c), own));
      if (!pairs_) b.store(scores_, {at_.slot, rows.place + u, c * lanes_}, p);
      all.push_back(p);
    }
    if (pairs_) all = pairs_->keepWeights(at_, rows.place + u, all);
    sums.push_back(foldVectors(b, [](const Value& x, const Value& y) { return x + y; }, std::move(all)));
  }
  Value sum = lanePerSource(foldTogether(b, [](const Value& x, const Value& y) { return x + y; }, std::move(sums)), rows.count);
  b.store(state.highest, {rows.place}, now);
  b.store(state.sum, {rows.place}, build_.mulAdd(b.load(state.sum, {rows.place}, rows.count), factor, sum));
  b.store(factors_, {at_.slot, rows.place}, factor);
}

void AttentionTile::addValues(const AttentionRows& rows, const std::vector<Value>* counts, const AttentionPairs::Columns& columns) {
  LoopBuilder& b = build_.b;
  int64_t width = op_.headDim.value;
  Value mask = maskOf(width - (columns.first + columns.vectors - 1) * lanes_, lanes_);
  auto maskAt = [&](int64_t c) { return (columns.first + c + 1) * lanes_ > width ? &mask : nullptr; };
  auto valueAt = [&](const Value& j, int64_t at, const Value* tail) {
    if (s_.pack == AttentionSchedule::PackNone) return loadFloats(build_, values, {at_.tile0 + j, at_.kvHead, at}, lanes_, tail);
    return b.load(copy_, {j * width + at}, lanes_, tail);
  };
  auto key = [&](const Value& j, const std::function<void(int, const std::function<void()>&)>& guarded) {
    bool once = rows.count == 1 && s_.pack == AttentionSchedule::PackNone && values.blocks;  // made where it is added: all at a time spill
    std::vector<Value> v;
    for (int64_t c = 0; c < columns.vectors; ++c) {
      Value each = valueAt(j, (columns.first + c) * lanes_, maskAt(c));
      v.push_back(once ? each : b.let("v", each));
    }
    for (int u = 0; u < rows.count; ++u)
      guarded(u, [&] {
        Value p = b.let("weight", broadcast(b.load(scores_, {at_.slot, rows.place + u, j}), lanes_));
        for (int64_t c = 0; c < columns.vectors; ++c)
          b.set(columns.acc, {u, c}, build_.mulAdd(p, v[static_cast<size_t>(c)], b.get(columns.acc, {u, c})));
      });
  };
  Value whole = counts == nullptr ? Value(kKeyTile) : counts->front();
  b.loop("j", 0, whole, 1, [&](const Value& j) { key(j, [](int, const std::function<void()>& body) { body(); }); });
  if (counts != nullptr && rows.count > 1)  // keys that only the later rows see
    b.loop("j", whole, counts->back(), 1, [&](const Value& j) {
      key(j, [&](int u, const std::function<void()>& body) { b.when(lessThan(j, (*counts)[static_cast<size_t>(u)]), body); });
    });
}

void AttentionTile::weighRows(const AttentionState& state, const AttentionRows& rows, const std::vector<Value>* counts) {
  LoopBuilder& b = build_.b;
  int64_t width = op_.headDim.value, all = (width + lanes_ - 1) / lanes_;
  int64_t atOnce = s_.valuesAtOnce(op_, rows.count, build_.target);
  int64_t passes = (all + atOnce - 1) / atOnce, each = (all + passes - 1) / passes;
  for (int64_t first = 0; first < all; first += each) {
    int64_t vectors = std::min(each, all - first);
    Value mask = maskOf(width - (first + vectors - 1) * lanes_, lanes_);
    auto maskAt = [&](int64_t c) { return (first + c + 1) * lanes_ > width ? &mask : nullptr; };
    RegArray acc = b.reg("acc", {rows.count, static_cast<int>(vectors)}, f32Const(0, lanes_));
    if (pairs_) pairs_->addValues(at_, rows, counts, {first, vectors, acc});
    else addValues(rows, counts, {first, vectors, acc});
    for (int u = 0; u < rows.count; ++u) {
      Value f = b.let("f", broadcast(b.load(factors_, {at_.slot, rows.place + u}), lanes_));
      auto join = [&] {
        for (int64_t c = 0; c < vectors; ++c) {
          Value at = (first + c) * lanes_;
          b.store(state.values, {rows.place + u, at},
                  build_.mulAdd(b.load(state.values, {rows.place + u, at}, lanes_, maskAt(c)), f, b.get(acc, {u, c})), maskAt(c));
        }
      };
      if (counts == nullptr || u + 1 == rows.count) join();
      else b.when(lessThan(0, (*counts)[static_cast<size_t>(u)]), join);
    }
  }
}

void AttentionTile::merge(const AttentionState& into, const Value& place, const std::vector<Value>& index, const AttentionPart& part) {
  LoopBuilder& b = build_.b;
  Value before = b.let("before", b.load(into.highest, {place})), m = b.let("m", part.highest);
  Value now = b.let("now", plainMax(before, m)), top = exponentBase(b, now);
  Value old = b.let("old", decayFrom(before, top)), fresh = b.let("fresh", decayFrom(m, top));
  b.store(into.highest, {place}, now);
  b.store(into.sum, {place}, build_.mulAdd(b.load(into.sum, {place}), old, part.sum * fresh));
  columns([&](const Value& at, int lanes, const Value* mask) {
    Value kept = b.load(into.values, placeOf(index, at), lanes, mask),
          added = b.load(part.values, placeOf(part.index, at), lanes, mask) * broadcast(fresh, lanes);
    b.store(into.values, placeOf(index, at), build_.mulAdd(kept, broadcast(old, lanes), added), mask);
  });
}

}  // namespace quern
