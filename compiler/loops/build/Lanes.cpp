// compiler/loops/build/Lanes.cpp — see Lanes.h.
#include "compiler/loops/build/Lanes.h"

#include <limits>

namespace quern {

Value plainMax(const Value& a, const Value& b) { return selectOf(lessThan(a, b), b, a); }

Value reducedPlainMax(LoopBuilder& b, const Value& x) { return x.lanes() == 1 ? x : shuffleOf(foldTogether(b, plainMax, {x}), x, {0}); }

Value exponentBase(LoopBuilder& b, const Value& top) {
  Value none = binary(LoopOp::Eq, top, f32Const(-std::numeric_limits<float>::infinity(), top.lanes()));
  return b.let("base", selectOf(none, f32Const(0, top.lanes()), top));
}

Value foldVectors(LoopBuilder& b, const Combine& combine, std::vector<Value> vectors) {
  for (size_t half = vectors.size() / 2; half >= 1; half /= 2) {
    for (size_t i = 0; i < half; ++i) vectors[i] = b.let("fold", combine(vectors[i], vectors[i + half]));
    vectors.resize(half);
  }
  return vectors[0];
}

Value foldTogether(LoopBuilder& b, const Combine& combine, std::vector<Value> vectors) {
  int lanes = vectors[0].lanes();
  for (Value& each : vectors) each = b.let("whole", each);
  for (int half = lanes / 2; half >= 1; half /= 2) {
    // In each group of 2 half lanes: the lower half of one source beside the upper of the next, and the other halves crosswise.
    std::vector<int> straight, crossed;
    bool alone = vectors.size() == 1;
    for (int lane = 0; lane < lanes; ++lane) {
      bool upper = lane / half % 2 == 1;
      straight.push_back(upper ? lanes + lane : lane);
      crossed.push_back(upper ? lanes + lane - half : lane + half);
    }
    size_t pairs = alone ? 1 : vectors.size() / 2;
    for (size_t i = 0; i < pairs; ++i) {
      const Value &x = vectors[i], &y = alone ? x : vectors[i + pairs];
      Value kept = alone ? x : b.let("kept", shuffleOf(x, y, straight));
      vectors[i] = b.let("fold", combine(kept, shuffleOf(x, y, crossed)));
    }
    vectors.resize(pairs);
  }
  return vectors[0];
}

std::vector<Value> transposed(LoopBuilder& b, std::vector<Value> rows) {
  int count = static_cast<int>(rows.size()), lanes = rows[0].lanes();
  for (int distance = 1; distance < count; distance *= 2) {
    // Rows i and i + distance exchange their off-diagonal blocks of `distance` lanes.
    std::vector<int> upper(static_cast<size_t>(lanes)), lower(upper.size());
    for (int c = 0; c < lanes; ++c) {
      bool odd = (c & distance) != 0;
      upper[static_cast<size_t>(c)] = odd ? lanes + c - distance : c;
      lower[static_cast<size_t>(c)] = odd ? lanes + c : c + distance;
    }
    for (int i = 0; i < count; ++i) {
      if ((i & distance) != 0) continue;
      auto x = static_cast<size_t>(i), y = static_cast<size_t>(i + distance);
      Value a = rows[x], c = rows[y];
      rows[x] = b.let("turn", shuffleOf(a, c, upper));
      rows[y] = b.let("turn", shuffleOf(a, c, lower));
    }
  }
  return rows;
}

}  // namespace quern
