// compiler/loops/RowLoops.cpp — see RowLoops.h.
#include "compiler/loops/RowLoops.h"

namespace quern {

RowView rowView(const OpBuild& build, const TensorSpec& x, size_t axis) {
  RowView view;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    Value extent = build.dim(x.dims[i]);
    Value& into = i < axis ? view.outer : i == axis ? view.n : view.inner;
    into = into * extent;
  }
  return view;
}

void forRows(OpBuild& build, const Value& rows, int64_t rowsEach, const std::function<void(const Value&)>& body) {
  LoopBuilder& b = build.b;
  b.phase(ceilDivOf(rows, rowsEach), [&](const Value& task) {
    Value first = b.let("row0", task * rowsEach);
    b.loop("row", first, rowsEach == 1 ? first + 1 : minOf(first + rowsEach, rows), 1, body);
  });
}

Value plainMax(const Value& a, const Value& b) { return selectOf(lessThan(a, b), b, a); }

using Combine = std::function<Value(const Value&, const Value&)>;

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

}  // namespace quern
