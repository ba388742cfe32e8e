// compiler/loops/ops/MatmulPacking.cpp — see MatmulPacking.h.
#include "compiler/loops/ops/MatmulPacking.h"

#include "compiler/loops/build/Lanes.h"

namespace quern {

namespace {

using Place = std::vector<Value>;

Place place(Place outer, const Value& row, const Value& column) {
  outer.push_back(row);
  outer.push_back(column);
  return outer;
}

void packRows(const PackJob& job, const PanelShape& s, const Value& j0, const Value& columns) {
  LoopBuilder& b = job.build.b;
  auto rows = [&](bool full) {
    b.loop("pk", 0, s.k, 1, [&](const Value& k) {
      for (int64_t c = 0; c < s.width; c += job.lanes) {
        Value mask = full ? Value() : maskOf(columns - c, job.lanes);
        b.store(job.to, {s.batch, s.panel, k, c}, b.load(job.from, place(s.outer, k, j0 + c), job.lanes, full ? nullptr : &mask));
      }
    });
  };
  b.when(binary(LoopOp::Le, s.width, columns), [&] { rows(true); }, [&] { rows(false); });
}

/// Columns [first, end) of the panel, element by element.
void packTransposedPlainly(const PackJob& job, const PanelShape& s, const Value& j0, const Value& first, const Value& end,
                           const Value& k0) {
  LoopBuilder& b = job.build.b;
  b.loop("pn", first, end, 1, [&](const Value& c) {
    b.loop("pk", k0, s.k, 1,
           [&](const Value& k) { b.store(job.to, {s.batch, s.panel, k, c}, b.load(job.from, place(s.outer, j0 + c, k), 1)); });
  });
}

void packTransposed(const PackJob& job, const PanelShape& s, const Value& j0, const Value& columns) {
  LoopBuilder& b = job.build.b;
  int64_t lanes = job.lanes;
  Value wholeColumns = b.let("p_columns", columns / lanes * lanes), wholeDepth = b.let("p_depth", s.k / lanes * lanes);
  b.loop("pn", 0, wholeColumns, lanes, [&](const Value& c) {
    b.loop("pk", 0, wholeDepth, lanes, [&](const Value& k) {
      std::vector<Value> rows;
      for (int64_t r = 0; r < lanes; ++r) rows.push_back(b.let("row", b.load(job.from, place(s.outer, j0 + c + r, k), job.lanes)));
      rows = transposed(b, std::move(rows));
      for (int64_t r = 0; r < lanes; ++r) b.store(job.to, {s.batch, s.panel, k + r, c}, rows[static_cast<size_t>(r)]);
    });
  });
  packTransposedPlainly(job, s, j0, 0, wholeColumns, wholeDepth);
  packTransposedPlainly(job, s, j0, wholeColumns, columns, 0);
  b.loop("pz", columns, s.width, 1,
         [&](const Value& c) { b.loop("pk", 0, s.k, 1, [&](const Value& k) { b.store(job.to, {s.batch, s.panel, k, c}, f32Const(0)); }); });
}

}  // namespace

void packPanel(const PackJob& job, const PanelShape& shape) {
  LoopBuilder& b = job.build.b;
  Value j0 = b.let("pj", shape.panel * shape.width);
  Value columns = b.let("pc", minOf(shape.width, shape.n - j0));
  if (shape.transposed) packTransposed(job, shape, j0, columns);
  else packRows(job, shape, j0, columns);
}

void copyRows(const PackJob& job, const RowBlock& block) {
  LoopBuilder& b = job.build.b;
  constexpr int kUnroll = 4;
  b.loop("ci", block.i0, block.i1, 1, [&](const Value& i) {
    job.build.forVectors("ck", block.k0, block.k1 - block.k0, job.lanes, kUnroll, job.build.masks(),
                         [&](const Value& k, int lanes, const Value* mask) {
                           b.store(job.to, {i - block.i0, k - block.k0}, b.load(job.from, place(block.outer, i, k), lanes, mask), mask);
                         });
  });
}

}  // namespace quern
