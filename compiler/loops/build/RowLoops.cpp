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

void forRows(OpBuild& build, const Value& rows, int64_t rowsEach, const std::function<void(const Value&)>& body) {
  LoopBuilder& b = build.b;
  b.phase(ceilDivOf(rows, rowsEach), [&](const Value& task) {
    Value first = b.let("row0", task * rowsEach);
    b.loop("row", first, rowsEach == 1 ? first + 1 : minOf(first + rowsEach, rows), 1, body);
  });
}

}  // namespace quern
