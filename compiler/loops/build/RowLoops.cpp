// compiler/loops/build/RowLoops.cpp — see RowLoops.h.
#include "compiler/loops/build/RowLoops.h"

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

std::vector<Value> placeOfRow(LoopBuilder& b, const Value& row, std::span<const Value> extents) {
  std::vector<Value> place(extents.size());
  Value rest = row;
  for (size_t i = extents.size(); i > 0; --i) {
    place[i - 1] = i == 1 ? rest : b.let("i", rest % extents[i - 1]);
    if (i > 1) rest = b.let("rest", rest / extents[i - 1]);
  }
  return place;
}

void forRows(OpBuild& build, const Value& rows, int64_t rowsEach, const std::function<void(const Value&)>& body) {
  LoopBuilder& b = build.b;
  b.phase(ceilDivOf(rows, rowsEach), [&](const Value& task) {
    Value first = b.let("row0", task * rowsEach);
    b.loop("row", first, rowsEach == 1 ? first + 1 : minOf(first + rowsEach, rows), 1, body);
  });
}

}  // namespace quern
