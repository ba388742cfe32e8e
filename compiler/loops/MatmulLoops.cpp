// compiler/loops/MatmulLoops.cpp — matmul: tasks of mc x nc outputs, k blocks of kc, panels of nr columns, tiles of mr rows.
//
//   [phase 0: B into panels, where the schedule packs an operand that is no weight]
//   task (batch, rows i0.., columns j0..)
//     for k block: for panel: for tile: micro-kernel (accumulators from 0, from C with acc, or from the pass before)
#include "compiler/loops/OpLoops.h"

#include "compiler/base/Checked.h"

#include <algorithm>
#include <functional>

namespace quern {

namespace {

class MatmulBuilder {
public:
  MatmulBuilder(OpBuild& build, const MatmulOp& op, const MatmulSchedule& s)
      : build_(build), b_(build.b), op_(op), s_(s), lanes_(static_cast<int>(s.lanes)) {}

  void run() {
    declare();
    if (!op_.constB && s_.pack == MatmulSchedule::PackB) packPhase();
    computePhase();
  }

private:
  using Place = std::vector<Value>;

  /// One tile of the output.
  struct Tile {
    Value batch, row, column, panel;
    int64_t rows, vectors;
    const Value* mask;  ///< of the last vector; null: full
  };
  /// One pass over k.
  struct Pass {
    Value k0, k1;
    Value later;  ///< Bool: not the first pass; null: the only one
    Value last;   ///< Bool: the last pass; null: the only one
  };

  void declare() {
    std::vector<TensorSpec> inputs = op_.inputs();
    for (const TensorSpec& spec : inputs) {
      if (spec.name == "A") a_ = build_.strided(spec, BufferRole::In);
      else if (spec.name == "B") declareB(spec);
      else if (spec.name == "C") c_ = build_.strided(spec, BufferRole::InOut);
      else if (spec.name == "residual") epilogue_.push_back({spec, build_.strided(spec, BufferRole::In)});
      else epilogue_.push_back({spec, build_.dense(spec, BufferRole::In)});
    }
    TensorSpec out = op_.output();
    if (!op_.acc) c_ = build_.strided(out, BufferRole::Out);
    batch_ = op_.batch == Dim{1} ? Value(1) : build_.dim(out.dims[0]);
    m_ = build_.dim(out.dims[out.dims.size() - 2]);
    n_ = build_.dim(out.dims.back());
    k_ = build_.dim({"k", op_.k.value});
    panels_ = ceilDivOf(n_, s_.nr);
    if (!op_.constB && s_.pack == MatmulSchedule::PackB)
      packed_ = b_.denseBuffer("panels", Scalar::F32, BufferRole::SharedScratch, {batch_, panels_, k_, s_.nr});
  }
  void declareB(const TensorSpec& spec) {
    if (!op_.constB) {
      bPlain_ = build_.strided(spec, BufferRole::In);
      return;
    }
    Value batch = op_.batch == Dim{1} ? Value(1) : build_.dim(spec.dims[0]);
    packed_ = b_.denseBuffer("B", Scalar::F32, BufferRole::Packed, {batch, ceilDiv(op_.n.value, s_.nr), op_.k.value, s_.nr});
  }
  bool packs() const { return s_.pack == MatmulSchedule::PackB; }

  Place withBatch(const Value& batch, Place rest) const {
    if (op_.batch != Dim{1}) rest.insert(rest.begin(), batch);
    return rest;
  }

  /// Panel p of B, zeros behind column n: every element of a panel is written.
  void packPhase() {
    b_.phase(batch_ * panels_, [&](const Value& task) {
      Value batch = b_.let("pb", task / panels_), panel = b_.let("pp", task % panels_);
      Value j0 = b_.let("pj", panel * s_.nr);
      Value columns = b_.let("pc", minOf(s_.nr, n_ - j0));
      if (op_.tb) packTransposed(batch, panel, j0, columns);
      else packRows(batch, panel, j0, columns);
    });
  }
  void packRows(const Value& batch, const Value& panel, const Value& j0, const Value& columns) {
    b_.loop("pk", 0, k_, 1, [&](const Value& k) {
      for (int64_t c = 0; c < s_.nr; c += lanes_) {
        Value mask = maskOf(columns - c, lanes_);
        b_.store(packed_, {batch, panel, k, c}, b_.load(bPlain_, withBatch(batch, {k, j0 + c}), lanes_, &mask));
      }
    });
  }
  void packTransposed(const Value& batch, const Value& panel, const Value& j0, const Value& columns) {
    b_.loop("pn", 0, columns, 1, [&](const Value& c) {
      b_.loop("pk", 0, k_, 1, [&](const Value& k) { b_.store(packed_, {batch, panel, k, c}, b_.load(bPlain_, withBatch(batch, {j0 + c, k}), 1)); });
    });
    b_.loop("pz", columns, s_.nr, 1, [&](const Value& c) {
      b_.loop("pk", 0, k_, 1, [&](const Value& k) { b_.store(packed_, {batch, panel, k, c}, f32Const(0)); });
    });
  }

  void computePhase() {
    Value rowBlocks = ceilDivOf(m_, s_.mc), columnBlocks = ceilDivOf(n_, s_.nc);
    b_.phase(batch_ * rowBlocks * columnBlocks, [&](const Value& task) {
      Value batch = op_.batch == Dim{1} ? Value(0) : b_.let("batch_i", task / (rowBlocks * columnBlocks));
      Value rest = op_.batch == Dim{1} ? task : b_.let("block", task % (rowBlocks * columnBlocks));
      Value i0 = rowBlocks.isConstant(1) ? Value(0) : b_.let("i0", rest / columnBlocks * s_.mc);
      Value j0 = columnBlocks.isConstant(1) ? Value(0) : b_.let("j0", rest % columnBlocks * s_.nc);
      Value i1 = b_.let("i1", minOf(i0 + s_.mc, m_));
      Value j1 = b_.let("j1", minOf(j0 + s_.nc, n_));
      forPasses([&](const Pass& pass) {
        forPanels(j0, j1, [&](const Value& column, int64_t vectors, const Value* mask) { forTiles(batch, i0, i1, column, vectors, mask, pass); });
      });
    });
  }

  void forPasses(const std::function<void(const Pass&)>& body) {
    const int64_t* known = k_.constant();
    if (known != nullptr && *known <= s_.kc) return body({0, k_, {}, {}});
    // At least one pass, also where k is 0 at run time: the epilogue runs in the last.
    b_.loop("k0", 0, maxOf(k_, 1), s_.kc, [&](const Value& k0) {
      Value k1 = b_.let("k1", minOf(k0 + s_.kc, k_));
      body({k0, k1, lessThan(0, k0), binary(LoopOp::Le, k_, k0 + s_.kc)});
    });
  }

  /// Panels of nr columns from j0 to j1, then what is left: exactly where n is known, else vector by vector.
  void forPanels(const Value& j0, const Value& j1, const std::function<void(const Value&, int64_t, const Value*)>& body) {
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

  /// Tiles of mr rows from i0 to i1, then the rows left: as one tile where m is known, else in halves of mr.
  void forTiles(const Value& batch, const Value& i0, const Value& i1, const Value& column, int64_t vectors, const Value* mask, const Pass& pass) {
    Value panel = column / s_.nr;
    Value inPanel = column % s_.nr;  // only dynamic n leaves panels at other than their first column
    panelOffset_ = n_.constant() != nullptr ? Value(0) : b_.let("in_panel", inPanel);
    panel = b_.let("panel", panel);
    auto tile = [&](const Value& row, int64_t rows) { microKernel({batch, row, column, panel, rows, vectors, mask}, pass); };
    Value whole = b_.let("i_whole", i0 + (i1 - i0) / s_.mr * s_.mr);
    b_.loop("i", i0, whole, s_.mr, [&](const Value& i) { tile(i, s_.mr); });
    if (const int64_t* m = m_.constant()) {
      int64_t left = *m % s_.mr;
      if (left == 0) return;
      if (*m <= s_.mc) tile(whole, left);
      else b_.when(lessThan(whole, i1), [&] { tile(whole, left); });
      return;
    }
    Value left = b_.let("m_left", i1 - whole);
    int64_t top = 1;
    while (top * 2 < s_.mr) top *= 2;
    for (int64_t rows = top; rows >= 1 && s_.mr > 1; rows /= 2) {
      Value before = top == rows ? whole : b_.let("i_part", whole + left / (2 * rows) * (2 * rows));
      b_.when(binary(LoopOp::Eq, left / rows % int64_t{2}, 1), [&] { tile(before, rows); });
    }
  }

  Place cAt(const Tile& t, const Value& r, const Value& v) const { return withBatch(t.batch, {t.row + r, t.column + v * lanes_}); }

  void microKernel(const Tile& t, const Pass& pass) {
    RegArray acc = b_.reg("acc", {static_cast<int>(t.rows), static_cast<int>(t.vectors)}, f32Const(0, lanes_));
    RegArray bv = b_.reg("bv", {static_cast<int>(t.vectors)}, f32Const(0, lanes_));
    auto fromC = [&] {
      eachVector(t, [&](const Value& r, const Value& v, const Value* mask) { b_.set(acc, {r, v}, b_.load(c_, cAt(t, r, v), lanes_, mask)); });
    };
    if (op_.acc) fromC();
    else if (pass.later.expr() != nullptr) b_.when(pass.later, fromC);
    depthLoop(t, pass, acc, bv);
    auto finish = [&] { storeTile(t, acc, true); };
    if (op_.ep == nullptr) storeTile(t, acc, false);
    else if (pass.last.expr() == nullptr) finish();
    else b_.when(pass.last, finish, [&] { storeTile(t, acc, false); });
  }
  /// body(r, v, mask) for every accumulator; the last vector of a row apart where it has a mask.
  void eachVector(const Tile& t, const std::function<void(const Value&, const Value&, const Value*)>& body) {
    b_.unroll("r", t.rows, [&](const Value& r) {
      int64_t plain = t.vectors - (t.mask != nullptr ? 1 : 0);
      b_.unroll("v", plain, [&](const Value& v) { body(r, v, nullptr); });
      if (t.mask != nullptr) body(r, plain, t.mask);
    });
  }

  void depthLoop(const Tile& t, const Pass& pass, const RegArray& acc, const RegArray& bv) {
    Value count = pass.k1 - pass.k0;
    Value bulk = s_.unrollK == 1 ? pass.k1 : b_.let("k_bulk", pass.k0 + count / s_.unrollK * s_.unrollK);
    b_.loop("k", pass.k0, bulk, s_.unrollK, [&](const Value& k) { b_.unroll("u", s_.unrollK, [&](const Value& u) { depthStep(t, k + u, acc, bv); }); });
    if (s_.unrollK > 1) b_.loop("k", bulk, pass.k1, 1, [&](const Value& k) { depthStep(t, k, acc, bv); });
  }

  void depthStep(const Tile& t, const Value& k, const RegArray& acc, const RegArray& bv) {
    int64_t plain = t.vectors - (t.mask != nullptr && !packs() ? 1 : 0);
    auto loadB = [&](const Value& v, const Value* mask) {
      if (packs()) return b_.load(packed_, {t.batch, t.panel, k, panelOffset_ + v * lanes_}, lanes_);
      return b_.load(bPlain_, withBatch(t.batch, {k, t.column + v * lanes_}), lanes_, mask);
    };
    if (s_.prefetch > 0 && packs()) b_.prefetch(packed_, {t.batch, t.panel, k + s_.prefetch, 0});
    b_.unroll("v", plain, [&](const Value& v) { b_.set(bv, {v}, loadB(v, nullptr)); });
    if (plain < t.vectors) b_.set(bv, {plain}, loadB(plain, t.mask));
    b_.unroll("r", t.rows, [&](const Value& r) {
      Place at = op_.ta ? Place{k, t.row + r} : Place{t.row + r, k};
      Value a = b_.let("a", broadcast(b_.load(a_, withBatch(t.batch, at), 1), lanes_));
      b_.unroll("v", t.vectors, [&](const Value& v) { b_.set(acc, {r, v}, build_.mulAdd(a, b_.get(bv, {v}), b_.get(acc, {r, v}))); });
    });
  }

  void storeTile(const Tile& t, const RegArray& acc, bool last) {
    eachVector(t, [&](const Value& r, const Value& v, const Value* mask) {
      Value value = b_.get(acc, {r, v});
      if (last) value = build_.scalarExpr(*op_.ep, lanes_, [&](const std::string& name) { return name == "x" ? value : operand(name, t, r, v, mask); });
      b_.store(c_, cAt(t, r, v), value, mask);
    });
  }

  /// An operand of the epilogue at row t.row + r, vector v: broadcast along every dimension of length one.
  Value operand(const std::string& name, const Tile& t, const Value& r, const Value& v, const Value* mask) {
    for (const auto& [spec, buffer] : epilogue_) {
      if (spec.name != name) continue;
      const Value full[] = {t.batch, t.row + r, t.column + v * lanes_};
      Place at;
      size_t rank = spec.dims.size();
      for (size_t i = 0; i < rank; ++i) at.push_back(spec.dims[i].name == "one" ? Value(0) : full[3 - rank + i]);
      bool vector = rank > 0 && spec.dims.back().name != "one";
      return vector ? b_.load(buffer, at, lanes_, mask) : broadcast(b_.load(buffer, at, 1), lanes_);
    }
    return {};
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const MatmulOp& op_;
  const MatmulSchedule& s_;
  int lanes_;
  BufferRef a_, bPlain_, c_, packed_;
  std::vector<std::pair<TensorSpec, BufferRef>> epilogue_;
  Value batch_, m_, n_, k_, panels_, panelOffset_;
};

}  // namespace

void buildLoops(OpBuild& build, const MatmulOp& op, const MatmulSchedule& schedule) { MatmulBuilder(build, op, schedule).run(); }

}  // namespace quern
