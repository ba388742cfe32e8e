// compiler/loops/ops/AttentionScores.cpp — the scores of AttentionTile.h with a=f32: keys in place, or turned into a copy.
#include "compiler/loops/ops/AttentionTile.h"

#include "compiler/loops/build/Halves.h"
#include "compiler/loops/build/Lanes.h"

#include <algorithm>

namespace quern {

void AttentionTile::scoreInPlace(const AttentionRows& rows, const Seen& seen) {
  LoopBuilder& b = build_.b;
  int64_t step = lanes_ / rows.count;
  const Value& most = seen.count.back();
  Value full = b.let("full", most / step * step);
  b.loop("j", seen.from.empty() ? Value(0) : seen.from.front() / step * step, full, step,
         [&](const Value& j) { scoreGroup(rows, j, nullptr); });
  b.when(lessThan(full, most), [&] {
    Value last = b.let("last", most - 1);  // read again in place of keys that are not there
    scoreGroup(rows, full, &last);
  });
}

static int64_t vectorsAtOnce(const AttentionRows& rows, int lanes) { return std::min<int64_t>(kKeyTile / lanes, rows.count == 1 ? 4 : 2); }

void AttentionTile::scoreCopied(const AttentionRows& rows, const Seen& seen) {
  LoopBuilder& b = build_.b;
  int64_t vectors = vectorsAtOnce(rows, lanes_), half = kDotPartials / 2;
  int64_t terms = op_.headDim.value / kDotPartials, rest = op_.headDim.value % kDotPartials;
  Value begin = seen.from.empty() ? Value(0) : seen.from.front() / (vectors * lanes_) * (vectors * lanes_);
  b.loop("j", begin, seen.count.back(), vectors * lanes_, [&](const Value& j) {
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
        Value q = b.let(
            "q", broadcast(b.load(query, inBatch({rows.query[static_cast<size_t>(u)], rows.head[static_cast<size_t>(u)], d}), 1), lanes_));
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
        q.push_back(
            b.let("q", b.load(query, inBatch({rows.query[static_cast<size_t>(u)], rows.head[static_cast<size_t>(u)], d}), lanes_, tail)));
      for (int64_t i = 0; i < keyCount; ++i) {
        Value k = loadFloats(build_, keys, inBatch({at_.tile0 + index[static_cast<size_t>(i)], at_.kvHead, d}), lanes_, tail);
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

}  // namespace quern
