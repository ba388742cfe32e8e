// compiler/loops/ops/ReduceLoops.cpp — sum, mean, max, min, product along the last axis (rows, several folded together), or another
// (blocks of columns). Axes apart from each other: rows of the last one together, or columns whose rows lie in several dimensions.
#include "compiler/loops/ops/ColumnLoops.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowSum.h"

#include <limits>
#include <optional>

namespace quern {

namespace {

/// Dimensions of x, neighbours that are both reduced, or both kept, as one.
struct Group {
  Value extent = 1;
  bool reduced = false;
};

std::vector<Group> groupsOf(const OpBuild& build, const ReduceOp& op) {
  std::vector<Group> groups;
  std::vector<TensorDim> dims = op.inputs()[0].dims;
  std::vector<bool> which = op.reduced();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].value == 1) continue;
    if (groups.empty() || groups.back().reduced != which[i]) groups.push_back({1, which[i]});
    groups.back().extent = groups.back().extent * build.dim(dims[i]);
  }
  return groups;
}

/// x as [outer, n, inner] where all that is reduced lies together.
std::optional<RowView> viewOf(const OpBuild& build, const ReduceOp& op) {
  std::vector<TensorDim> dims = op.inputs()[0].dims;
  std::vector<bool> which = op.reduced();
  size_t first = 0, last = dims.size();
  while (first < last && !which[first]) ++first;
  while (last > first && !which[last - 1]) --last;
  RowView view;
  for (size_t i = 0; i < dims.size(); ++i) {
    bool within = i >= first && i < last;
    if (within && !which[i] && dims[i].value != 1) return std::nullopt;
    Value& into = i < first ? view.outer : within ? view.n : view.inner;
    into = into * build.dim(dims[i]);
  }
  return view;
}

struct Reduction {
  OpBuild& build;
  LoopOp fn;
  bool mean;
  int lanes;
  int64_t rowsEach = 1;
  std::vector<Group> groups = {};  ///< where they lie apart
  RowView view = {};

  bool sums() const { return fn == LoopOp::Add; }

  /// The result of a total that was taken times `scale`.
  Value finished(const Value& total, float scale = 1) const {
    Value out = mean ? total / broadcast(unary(LoopOp::ToF32, view.n), total.lanes()) : total;
    return scale == 1 ? out : out * f32Const(1 / scale, total.lanes());
  }

  /// 1 in the lanes whose sum is not good, 0 elsewhere.
  static Value unsafeLanes(const Value& sum) {
    int width = sum.lanes();
    return selectOf(lessThan(unary(LoopOp::Abs, sum), f32Const(kSafeSum, width)), f32Const(0, width), f32Const(1, width));
  }

  /// One row of any length. A sum that does not fit, or that has a part that does not, is taken again, scaled.
  void row(const BufferRef& x, const BufferRef& out, const Value& row) const {
    LoopBuilder& b = build.b;
    auto load = [&](const Value& at, const Value* mask) { return b.load(x, {row, at}, lanes, mask); };
    if (!sums()) {
      RowReduce total(build, "total", fn, lanes, view.n);
      total.run(load);
      return b.store(out, {row}, total.fold());
    }
    Value total =
        rowSum(build, "total", lanes, view.n, [&](const Value& acc, const Value& at, const Value* mask) { return acc + load(at, mask); });
    b.when(
        lessThan(unary(LoopOp::Abs, total), f32Const(kSafeSum)), [&] { b.store(out, {row}, finished(total)); },
        [&] {
          Value scaled = rowSum(build, "scaled", lanes, view.n, [&](const Value& acc, const Value& at, const Value* mask) {
            return build.mulAdd(load(at, mask), f32Const(kDown, lanes), acc);
          });
          b.store(out, {row}, finished(scaled, kDown));
        });
  }

  /// `together` rows from `first` on, of one block: each by itself into 64 partials, then folded with shared instructions. `spoilt`
  /// becomes NaN where a sum is no number; a partial that overflowed makes it none.
  void rows(const BufferRef& x, const BufferRef& out, const Value& first, int together, const RegArray* spoilt) const {
    LoopBuilder& b = build.b;
    auto combine = [this](const Value& p, const Value& q) { return binary(fn, p, q); };
    std::vector<Value> totals;
    for (int u = 0; u < together; ++u) {
      RowReduce total(build, "total", fn, lanes, view.n);
      total.run([&](const Value& at, const Value* mask) { return b.load(x, {first + u, at}, lanes, mask); });
      totals.push_back(total.foldToVector(combine));
    }
    Value folded = foldTogether(b, combine, std::move(totals));
    std::vector<int> pattern;
    for (int u = 0; u < together; ++u) pattern.push_back(u * (lanes / together));
    Value each = b.let("each", lanes == 1 ? folded : shuffleOf(folded, folded, pattern));
    if (spoilt != nullptr) b.set(*spoilt, {0}, build.mulAdd(each, f32Const(0, together), b.get(*spoilt, {0})));
    b.store(out, {first}, finished(each));
  }

  void alongLast() const {
    LoopBuilder& b = build.b;
    BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n});
    BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer});
    int together = lanes >= 8 && rowsEach >= lanes / 4 ? lanes / 4 : 1;
    const int64_t* known = view.n.constant();
    b.phase(ceilDivOf(view.outer, rowsEach), [&](const Value& task) {
      Value first = b.let("row0", task * rowsEach), end = b.let("row1", minOf(first + rowsEach, view.outer));
      auto one = [&](const Value& from) { b.loop("row", from, end, 1, [&](const Value& r) { row(x, out, r); }); };
      auto several = [&] {
        Value whole = b.let("whole", first + (end - first) / together * together);
        std::optional<RegArray> spoilt;
        if (sums()) spoilt = b.reg("spoilt", {1}, f32Const(0, together));
        b.loop("row", first, whole, together, [&](const Value& r) { rows(x, out, r, together, spoilt ? &*spoilt : nullptr); });
        one(whole);
        if (!spoilt) return;
        // Good rows give the same bits again.
        Value good = binary(LoopOp::Eq, reduceOf(LoopOp::Add, b.get(*spoilt, {0})), f32Const(0));
        b.when(good, [] {}, [&] { b.loop("again", first, whole, 1, [&](const Value& r) { row(x, out, r); }); });
      };
      if (together == 1 || (sums() && known != nullptr && *known > kSumBlock)) one(first);
      else if (!sums() || known != nullptr) several();
      else b.when(lessThan(kSumBlock, view.n), [&] { one(first); }, several);
    });
  }

  void alongOther() const {
    along({view.outer, view.n, view.inner}, [](const Value& o, const Value& r, const Value& at) { return Place{o, r, at}; });
  }

  using Place = std::vector<Value>;
  using Placing = std::function<Place(const Value& outer, const Value& row, const Value& at)>;
  /// Columns of x, which has `shape`; `place` says where.
  void along(Place shape, const Placing& place) const {
    LoopBuilder& b = build.b;
    BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, std::move(shape));
    BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer, view.inner});
    ColumnReduce total(build, "total", fn, lanes);
    forColumnBlocks(build, view, [&](const Value& o, const Value& first, const Value& count) {
      auto load = [&](const Value& r, const Value& at, int width, const Value* mask) {
        return b.load(x, place(o, r, first + at), width, mask);
      };
      if (!sums())
        return total.run(view.n, count, load,
                         [&](const Value& at, int, const Value* mask, const Value& best) { b.store(out, {o, first + at}, best, mask); });
      RegArray worst = b.reg("worst", {1}, f32Const(0));
      total.run(view.n, count, load, [&](const Value& at, int width, const Value* mask, const Value& sum) {
        Value good = lessThan(unary(LoopOp::Abs, sum), f32Const(kSafeSum, width));
        b.set(worst, {0}, plainMax(b.get(worst, {0}), reducedPlainMax(b, unsafeLanes(sum))));
        b.store(out, {o, first + at}, selectOf(good, finished(sum), f32Const(kAgain, width)), mask);
      });
      // Columns beside one that is taken again keep what they have: a column's bits depend on it alone.
      auto again = [&](const Value& r, const Value& at, int width, const Value* mask) {
        return load(r, at, width, mask) * f32Const(kDown, width);
      };
      b.when(lessThan(f32Const(0.5f), b.get(worst, {0})), [&] {
        total.run(view.n, count, again, [&](const Value& at, int width, const Value* mask, const Value& sum) {
          Value before = b.load(out, {o, first + at}, width, mask);
          Value repeat = binary(LoopOp::Eq, before, f32Const(kAgain, width));
          b.store(out, {o, first + at}, selectOf(repeat, finished(sum, kDown), before), mask);
        });
      });
    });
  }

  // What does not fit has a partial of 2^119 at least: what vanishes times this does not count beside it.
  static constexpr float kDown = 0x1p-64f;
  // No good total, nor mean of one.
  static constexpr float kAgain = std::numeric_limits<float>::infinity();

  // Axes that lie apart.

  /// Of all kept or all reduced groups but the last one of x.
  Value countOf(bool reduced) const {
    Value count = 1;
    for (size_t i = 0; i + 1 < groups.size(); ++i)
      if (groups[i].reduced == reduced) count = count * groups[i].extent;
    return count;
  }
  Place shape() const {
    Place extents;
    for (const Group& group : groups) extents.push_back(group.extent);
    return extents;
  }
  /// The element of x at row-major indices of what is kept and what is reduced, but for the last group, and its index there.
  Place placeOf(Value kept, Value reduced, const Value& at) const {
    Place place(groups.size(), at);
    for (size_t i = groups.size() - 1; i > 0; --i) {
      Value& rest = groups[i - 1].reduced ? reduced : kept;
      bool first = i < 3;  // of its kind: kinds take turns
      place[i - 1] = first ? rest : build.b.let("i", rest % groups[i - 1].extent);
      if (!first) rest = build.b.let("rest", rest / groups[i - 1].extent);
    }
    return place;
  }

  /// The last axis is kept: columns, whose rows are all that is reduced.
  void columnsApart() {
    view = {countOf(false), countOf(true), groups.back().extent};
    along(shape(), [this](const Value& o, const Value& r, const Value& at) { return placeOf(o, r, at); });
  }

  /// The last axis is reduced: each output is of `parts` rows of it.
  void rowsApart() {
    LoopBuilder& b = build.b;
    Value rows = countOf(false), parts = countOf(true), width = groups.back().extent;
    view = {rows, parts * width, 1};
    BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, shape());
    BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {rows});
    forRows(build, rows, rowsEach, [&](const Value& row) {
      if (!sums()) {
        RegArray best = b.reg("best", {1}, f32Const(identityOf(fn)));
        b.loop("part", 0, parts, 1, [&](const Value& part) {
          RowReduce total(build, "total", fn, lanes, width);
          Place place = placeOf(row, part, 0);
          total.run([&](const Value& at, const Value* mask) { return b.load(x, moved(place, at), lanes, mask); });
          b.set(best, {0}, binary(fn, b.get(best, {0}), total.fold()));
        });
        return b.store(out, {row}, b.get(best, {0}));
      }
      Value total = sumOfParts(x, row, parts, width, 1);
      b.when(
          lessThan(unary(LoopOp::Abs, total), f32Const(kSafeSum)), [&] { b.store(out, {row}, finished(total)); },
          [&] { b.store(out, {row}, finished(sumOfParts(x, row, parts, width, kDown), kDown)); });
    });
  }

  static Place moved(Place place, const Value& at) {
    place.back() = at;
    return place;
  }

  /// Rows add up ascending, what each addition loses kept beside; each times a scale.
  Value sumOfParts(const BufferRef& x, const Value& row, const Value& parts, const Value& width, float scale) const {
    LoopBuilder& b = build.b;
    RegArray total = b.reg("parts", {2}, f32Const(0));
    b.loop("part", 0, parts, 1, [&](const Value& part) {
      Place place = placeOf(row, part, 0);
      Value one = rowSum(build, "one", lanes, width, [&](const Value& acc, const Value& at, const Value* mask) {
        Value v = b.load(x, moved(place, at), lanes, mask);
        return scale == 1 ? acc + v : build.mulAdd(v, f32Const(scale, lanes), acc);
      });
      RunningSum next = RunningSum{b.get(total, {0}), b.get(total, {1})}.plus(b, one);
      b.set(total, {0}, next.sum);
      b.set(total, {1}, next.lost);
    });
    return b.let("total", b.get(total, {0}));
  }
};

LoopOp nodeOf(ReduceFn fn) {
  switch (fn) {
    case ReduceFn::Max: return LoopOp::Max;
    case ReduceFn::Min: return LoopOp::Min;
    case ReduceFn::Prod: return LoopOp::Mul;
    default: return LoopOp::Add;
  }
}

}  // namespace

void buildLoops(OpBuild& build, const ReduceOp& op, const RowSchedule& s) {
  Reduction reduction{build, nodeOf(op.fn), op.fn == ReduceFn::Mean, static_cast<int>(s.lanes), s.rows};
  if (auto view = viewOf(build, op)) {
    reduction.view = *view;
    return view->inner.isConstant(1) ? reduction.alongLast() : reduction.alongOther();
  }
  reduction.groups = groupsOf(build, op);
  if (reduction.groups.back().reduced) reduction.rowsApart();
  else reduction.columnsApart();
}

}  // namespace quern
