// compiler/loops/ops/AttentionTile.cpp — see AttentionTile.h. Everything is unrolled over rows; lanes lie along head_dim in the products
// (keys and values are read where they are) and along keys in the softmax. Scores: AttentionScores.cpp.
#include "compiler/loops/ops/AttentionTile.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/build/Lanes.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

namespace quern {

AttentionTile::AttentionTile(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule)
    : build_(build), op_(op), s_(schedule), lanes_(static_cast<int>(schedule.lanes)) {
  std::vector<TensorSpec> inputs = op.inputs();
  query = build.strided(inputs[0], BufferRole::In);
  keys = build.strided(inputs[1], BufferRole::In);
  values = build.strided(inputs[2], BufferRole::In);
  for (size_t i = 3; i < inputs.size(); ++i)
    if (inputs[i].type == ElementType::I32) lens = build.dense(inputs[i], BufferRole::In);
    else if (inputs[i].name == "sinks") sinks = build.dense(inputs[i], BufferRole::In);
    else mask_ = build.strided(inputs[i], BufferRole::In);
  out = build.strided(op.output(), BufferRole::Out);
  auto scratch = [&](const char* name, std::vector<Value> shape) {
    return build.b.denseBuffer(name, Scalar::F32, BufferRole::ThreadScratch, std::move(shape));
  };
  scores_ = scratch("scores", {schedule.tiles, schedule.rows, kKeyTile});
  factors_ = scratch("factors", {schedule.tiles, schedule.rows});
  if (op.a == RoundedTo::BF16) pairs_.emplace(build, op, schedule, keys, values);
  else if (schedule.pack == AttentionSchedule::PackKv) copy_ = scratch("tile_copy", {kKeyTile * std::max(op.headDim.value, op.valueDim())});
  else partials_ = scratch("partials", {schedule.lanes, kDotPartials});
}

void AttentionTile::columns(const std::function<void(const Value&, int, const Value*)>& step) {
  build_.forVectors("d", 0, op_.valueDim(), lanes_, 1, build_.masks(), step);
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

Value AttentionTile::inverseOf(const AttentionState& state, const Value& place, const Value& head) {
  LoopBuilder& b = build_.b;
  Value sum = b.load(state.sum, {place});
  if (!op_.sinks) return f32Const(1) / sum;
  Value sink = b.let("sink", b.load(sinks, {head})), highest = b.let("highest", b.load(state.highest, {place}));
  Value top = exponentBase(b, b.let("top", plainMax(highest, sink)));
  Value f = b.let("f", decayFrom(highest, top));
  return f / b.let("all", build_.mulAdd(sum, f, decayFrom(sink, top)));
}

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
    rows.push_back(b.let("row", loadFloats(build_, keys, inBatch({key, at_.kvHead, d}), lanes_, columns < lanes_ ? &mask : nullptr)));
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
      b.store(copy_, {j * op_.valueDim() + at}, loadFloats(build_, values, inBatch({at_.tile0 + j, at_.kvHead, at}), lanes, mask), mask);
    });
  });
}

void AttentionTile::askFor(const BufferRef& from, const Value& tile0, const AttentionRows& rows) {
  if (s_.pack == AttentionSchedule::PackNone) return;
  const int64_t line = pairs_ || from.blocks ? 32 : 16;
  int64_t each = (kKeyTile + s_.rows - 1) / s_.rows, width = from.id == values.id ? op_.valueDim() : op_.headDim.value;
  for (int64_t i = 0; i < rows.count * each; ++i)
    for (int64_t d = 0; d < width; d += line)
      build_.b.prefetch(from, storedPlace(from, inBatch({tile0 + rows.place * each + i, at_.kvHead, d})));
}

std::vector<Value> AttentionTile::inBatch(std::vector<Value> index) const {
  if (op_.batched) index.insert(index.begin(), at_.batch);
  return index;
}

Value AttentionTile::countOf(const Value& limit) { return build_.b.let("count", maxOf(minOf(limit - at_.tile0, kKeyTile), 0)); }

AttentionTile::Seen AttentionTile::seenBy(const AttentionRows& rows) {
  Seen seen;
  for (const Value& limit : rows.limit) seen.count.push_back(countOf(limit));
  for (const Value& first : rows.first) seen.from.push_back(countOf(first));
  return seen;
}

static Value sees(const Value& count, const Value* from) {
  Value some = lessThan(0, count);
  return from == nullptr ? some : binary(LoopOp::And, some, lessThan(*from, kKeyTile));
}

// Later rows see as many keys or more, and begin as late or later.
Value AttentionTile::seesAny(const Seen& seen) { return sees(seen.count.back(), seen.from.empty() ? nullptr : &seen.from.front()); }

Value AttentionTile::seesAny(const Seen& seen, size_t row) { return sees(seen.count[row], seen.from.empty() ? nullptr : &seen.from[row]); }

Value AttentionTile::seesPart(const Seen& seen) {
  Value fewer = lessThan(seen.count.front(), kKeyTile);
  return seen.from.empty() ? fewer : binary(LoopOp::Or, fewer, lessThan(0, seen.from.back()));
}

/// Of the keys j ... those that row u sees.
Value AttentionTile::laneMask(const Seen& seen, int u, const Value& j) const {
  auto row = static_cast<size_t>(u);
  Value before = maskOf(seen.count[row] - j, lanes_);
  if (seen.from.empty()) return before;
  return selectOf(maskOf(seen.from[row] - j, lanes_), maskOf(Value(0), lanes_), before);
}

void AttentionTile::inTiles(const std::function<void()>& body) {
  if (pairs_) pairs_->inTiles(body);
  else body();
}

void AttentionTile::scoreOnTiles(const Value& row, const Value& limit) { pairs_->scoreOnTiles(at_, row, countOf(limit), scores_); }

void AttentionTile::weighOnTiles(const Value& row, const Value& limit, int64_t block) {
  Value count = countOf(limit);
  build_.b.when(lessThan(0, count), [&] { pairs_->weighOnTiles(at_, row, count, block * AttentionPairs::kColumns, scores_); });
}

int64_t AttentionTile::valueBlocks() const { return onTiles() ? ceilDiv(op_.valueDim(), AttentionPairs::kColumns) : 1; }

void AttentionTile::score(const AttentionState& state, const AttentionRows& rows) {
  LoopBuilder& b = build_.b;
  askFor(values, at_.tile0, rows);
  Seen seen = seenBy(rows);
  b.when(seesAny(seen), [&] {
    if (!pairs_ && s_.pack == AttentionSchedule::PackNone) scoreInPlace(rows, seen);
    else if (!pairs_) scoreCopied(rows, seen);
    else if (!onTiles()) pairs_->score(at_, rows, seen.count.back(), scores_);
    auto softmax = [&](const Seen* some) {
      adjust(rows, some);
      normalise(state, rows, some);
    };
    b.when(seesPart(seen), [&] { softmax(&seen); }, [&] { softmax(nullptr); });
  });
}

void AttentionTile::weigh(const AttentionState& state, const AttentionRows& rows, int64_t block) {
  LoopBuilder& b = build_.b;
  if (block == 0) askFor(keys, at_.tile0 + kKeyTile, rows);
  Seen seen = seenBy(rows);
  int64_t all = ceilDiv(op_.valueDim(), lanes_), each = onTiles() ? AttentionPairs::kColumns / lanes_ : all, first = block * each;
  auto weighed = [&](const Seen* some) { weighRows(state, rows, some, first, std::min(all, first + each)); };
  Value partly = seesPart(seen);
  b.when(seesAny(seen), [&] {
    if (!onTiles()) return b.when(partly, [&] { weighed(&seen); }, [&] { weighed(nullptr); });
    b.when(
        binary(LoopOp::And, partly, pairs_->hasNonFinite()), [&] { weighed(&seen); },
        [&] { joinTiles(state, rows, seen, first, std::min(all, first + each)); });
  });
}

void AttentionTile::joinTiles(const AttentionState& state, const AttentionRows& rows, const Seen& seen, int64_t first, int64_t end) {
  join(state, rows, &seen, first, end - first,
       [&](int u, int64_t c) { return build_.b.load(scores_, {at_.slot, rows.place + u, c * lanes_}, lanes_); });
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

/// The mask of keys j ... of row u, or the one number that all keys have; `lanes`: of these keys those that are there.
Value AttentionTile::maskAt(const AttentionRows& rows, int u, const Value& j, const Value* lanes) {
  auto row = static_cast<size_t>(u);
  const TensorSpec spec = op_.inputs()[3];
  const Value full[] = {op_.batched ? at_.batch : Value(0), rows.head[row], rows.query[row], at_.tile0 + j};
  std::vector<Value> at;
  for (size_t i = 0; i < spec.dims.size(); ++i) at.push_back(spec.dims[i].name == "one" ? Value(0) : full[4 - spec.dims.size() + i]);
  if (spec.dims.back().name == "one") return broadcast(build_.b.load(mask_, at, 1), lanes_);
  return build_.b.load(mask_, at, lanes_, lanes);
}

/// What softcap makes of a score.
static ScalarExprRef cappedScore(float cap) {
  auto parsed = parseScalarExpr(fmt::format("tanh(s * {}) * {}", shortest(1 / cap), shortest(cap)));
  QUERN_CHECK_FOR(static_cast<bool>(parsed), shortest(cap));
  return *parsed;
}

void AttentionTile::adjust(const AttentionRows& rows, const Seen* seen) {
  if (op_.softcap == 0 && op_.mask.empty()) return;
  LoopBuilder& b = build_.b;
  ScalarExprRef capped = op_.softcap != 0 ? cappedScore(op_.softcap) : nullptr;
  b.loop("j", 0, seen == nullptr ? Value(kKeyTile) : seen->count.back(), lanes_, [&](const Value& j) {
    for (int u = 0; u < rows.count; ++u) {
      const std::vector<Value> place = {at_.slot, rows.place + u, j};
      Value s = b.load(scores_, place, lanes_);
      if (capped != nullptr) s = build_.scalarExpr(*capped, lanes_, [&](const std::string&) { return s; });
      Value there = seen == nullptr ? Value() : b.let("there", laneMask(*seen, u, j));
      if (!op_.mask.empty()) s = s + maskAt(rows, u, j, seen == nullptr ? nullptr : &there);
      b.store(scores_, place, s);
    }
  });
}

void AttentionTile::normalise(const AttentionState& state, const AttentionRows& rows, const Seen* seen) {
  LoopBuilder& b = build_.b;
  int vectors = static_cast<int>(kKeyTile) / lanes_;
  Value least = f32Const(-std::numeric_limits<float>::infinity(), lanes_);
  auto score = [&](int u, int c) {
    Value s = b.load(scores_, {at_.slot, rows.place + u, c * lanes_}, lanes_);
    if (pairs_) s = b.let("scaled", s * f32Const(op_.factor(), lanes_));
    return seen == nullptr ? s : selectOf(laneMask(*seen, u, c * lanes_), s, least);
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

void AttentionTile::addValues(const AttentionRows& rows, const Seen* seen, const AttentionPairs::Columns& columns) {
  LoopBuilder& b = build_.b;
  int64_t width = op_.valueDim();
  Value mask = maskOf(width - (columns.first + columns.vectors - 1) * lanes_, lanes_);
  auto maskAt = [&](int64_t c) { return (columns.first + c + 1) * lanes_ > width ? &mask : nullptr; };
  auto valueAt = [&](const Value& j, int64_t at, const Value* tail) {
    if (s_.pack == AttentionSchedule::PackNone) return loadFloats(build_, values, inBatch({at_.tile0 + j, at_.kvHead, at}), lanes_, tail);
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
  Value begin = seen == nullptr || seen->from.empty() ? Value(0) : seen->from.back();
  Value end = seen == nullptr ? Value(kKeyTile) : seen->count.front();
  auto one = [&](const Value& j, const std::function<Value(size_t u)>& sees) {
    key(j, [&](int u, const std::function<void()>& body) { b.when(sees(static_cast<size_t>(u)), body); });
  };
  bool several = seen != nullptr && rows.count > 1;
  if (several &&
      !seen->from.empty()) {  // keys that only the earlier rows see; not a row's own limit alone: one may be before another's first
    auto sees = [&](const Value& j, size_t u) { return binary(LoopOp::And, lessThan(seen->from[u] - 1, j), lessThan(j, seen->count[u])); };
    b.loop("j", seen->from.front(), minOf(begin, seen->count.back()), 1,
           [&](const Value& j) { one(j, [&](size_t u) { return sees(j, u); }); });
  }
  b.loop("j", begin, end, 1, [&](const Value& j) { key(j, [](int, const std::function<void()>& body) { body(); }); });
  if (several)  // keys that only the later rows see
    b.loop("j", seen->from.empty() ? end : maxOf(begin, end), seen->count.back(), 1,
           [&](const Value& j) { one(j, [&](size_t u) { return lessThan(j, seen->count[u]); }); });
}

void AttentionTile::weighRows(const AttentionState& state, const AttentionRows& rows, const Seen* seen, int64_t first, int64_t end) {
  LoopBuilder& b = build_.b;
  int64_t atOnce = s_.valuesAtOnce(op_, rows.count, build_.target);
  int64_t passes = ceilDiv(end - first, atOnce), each = ceilDiv(end - first, passes);
  for (; first < end; first += each) {
    int64_t vectors = std::min(each, end - first);
    RegArray acc = b.reg("acc", {rows.count, static_cast<int>(vectors)}, f32Const(0, lanes_));
    if (pairs_) pairs_->addValues(at_, rows, seen == nullptr ? nullptr : &seen->count, {first, vectors, acc});
    else addValues(rows, seen, {first, vectors, acc});
    join(state, rows, seen, first, vectors, [&](int u, int64_t c) { return b.get(acc, {u, c}); });
  }
}

void AttentionTile::join(const AttentionState& state, const AttentionRows& rows, const Seen* seen, int64_t first, int64_t vectors,
                         const std::function<Value(int, int64_t)>& sum) {
  LoopBuilder& b = build_.b;
  int64_t width = op_.valueDim();
  Value mask = maskOf(width - (first + vectors - 1) * lanes_, lanes_);
  auto maskAt = [&](int64_t c) { return (first + c + 1) * lanes_ > width ? &mask : nullptr; };
  for (int u = 0; u < rows.count; ++u) {
    Value f = b.let("f", broadcast(b.load(factors_, {at_.slot, rows.place + u}), lanes_));
    auto one = [&] {
      for (int64_t c = 0; c < vectors; ++c) {
        Value at = (first + c) * lanes_;
        b.store(state.values, {rows.place + u, at},
                build_.mulAdd(b.load(state.values, {rows.place + u, at}, lanes_, maskAt(c)), f, sum(u, c)), maskAt(c));
      }
    };
    if (seen == nullptr || rows.count == 1 || (seen->from.empty() && u + 1 == rows.count)) one();
    else b.when(seesAny(*seen, static_cast<size_t>(u)), one);
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
