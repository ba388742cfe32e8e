// compiler/loops/ops/MatmulBlocks.cpp — see MatmulBlocks.h.
#include "compiler/loops/ops/MatmulBlocks.h"

#include "compiler/base/Checked.h"

namespace quern {

std::pair<Value, Value> MatmulBlocks::of(const Value& task, const Value& rowBlocks, const Value& columnBlocks) const {
  if (s_.walk == MatmulSchedule::WalkRows) return {task / columnBlocks, task % columnBlocks};
  if (s_.walk == MatmulSchedule::WalkColumns) return {task % rowBlocks, task / rowBlocks};
  Value upper = b_.let("upper", ceilDivOf(rowBlocks, 2));
  Value half = b_.let("half", task / (upper * columnBlocks));
  Value within = b_.let("within", task % (upper * columnBlocks));
  Value rows = b_.let("half_rows", maxOf(1, minOf(upper, rowBlocks - half * upper)));
  return {half * upper + within % rows, within / rows};
}

void MatmulBlocks::forPasses(const std::function<void(const Pass&)>& body) const {
  const int64_t* known = k_.constant();
  int64_t end = wish_.lastPass;
  bool apart = known != nullptr && end > 0 && end < *known;  // what follows on it is a pass of its own
  Value k = apart ? Value(end) : k_;
  auto inBlocks = [&] {
    // At least one pass, also where k is 0 at run time: the epilogue runs in the last.
    b_.loop("k0", 0, maxOf(k, 1), s_.kc, [&](const Value& k0) {
      Value k1 = b_.let("k1", minOf(k0 + s_.kc, k));
      body({k0, k1, lessThan(0, k0), false, apart ? Value() : binary(LoopOp::Le, k, k0 + s_.kc), apart});
    });
  };
  bool one = (k.constant() != nullptr && *k.constant() <= s_.kc) || s_.chains() > 1;
  if (one) body({0, k, {}, false, {}, apart});
  else inBlocks();
  if (apart) body({k, k_, {}, true});
}

void MatmulBlocks::forColumns(const Value& j0, const Value& j1,
                              const std::function<void(const Value&, int64_t, const Value*)>& body) const {
  int64_t full = s_.nr / lanes_;
  Value whole = b_.let("j_whole", j0 + (j1 - j0) / s_.nr * s_.nr);
  b_.loop("j", j0, whole, s_.nr, [&](const Value& j) { body(j, full, nullptr); });
  auto masked = [&](const Value& j, int64_t vectors, const Value& left) {
    Value mask = b_.let("n_mask", maskOf(left - (vectors - 1) * lanes_, lanes_));
    body(j, vectors, &mask);
  };
  if (const int64_t* n = n_.constant()) {
    int64_t left = *n % s_.nr;
    if (left == 0) return;
    auto tail = [&] {
      if (left % lanes_ == 0) body(whole, left / lanes_, nullptr);
      else masked(whole, ceilDiv(left, lanes_), left);
    };
    if (*n <= s_.nc) tail();
    else b_.when(lessThan(whole, j1), tail);
    return;
  }
  b_.loop("j_rest", whole, j1, lanes_, [&](const Value& j) { masked(j, 1, j1 - j); });
}

void MatmulBlocks::forTiles(const Value& i0, const Value& i1, const std::function<void(const Rows&)>& body) const {
  Value whole = b_.let("i_whole", i0 + (i1 - i0) / s_.mr * s_.mr), begin = i0;
  if (s_.prefetchPanel > 0) {
    begin = b_.let("i_ahead", minOf(i0 + s_.aheadTiles() * s_.mr, whole));
    b_.loop("i", i0, begin, s_.mr, [&](const Value& i) { body({i, s_.mr, true}); });
  }
  b_.loop("i", begin, whole, s_.mr, [&](const Value& i) { body({i, s_.mr}); });
  int64_t together = wish_.rowsTogether;
  auto rest = [&](int64_t rows, const Value& left) { body({whole, rows, false, together == 1 ? Value() : left}); };
  if (const int64_t* m = m_.constant()) {
    int64_t left = *m % s_.mr;
    if (left == 0) return;
    if (*m <= s_.mc) rest(roundUp(left, together), left);
    else b_.when(lessThan(whole, i1), [&] { rest(roundUp(left, together), left); });
    return;
  }
  Value left = b_.let("m_left", i1 - whole);
  for (int64_t rows = together; rows - together < s_.mr - 1; rows += together) {
    Value fits = together == 1 ? binary(LoopOp::Eq, left, rows)
                               : binary(LoopOp::And, lessThan(rows - together, left), binary(LoopOp::Le, left, rows));
    b_.when(fits, [&] { rest(rows, left); });
  }
}

}  // namespace quern
