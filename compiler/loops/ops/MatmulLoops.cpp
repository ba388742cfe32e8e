// compiler/loops/ops/MatmulLoops.cpp — matmul: tasks of mc x nc outputs, k blocks of kc, panels of nr columns, tiles of mr rows.
//
//   [phase 0: B into panels, where the schedule packs an operand that is no weight; or A into codes, with a=q8]
//   task (batch, rows i0.., columns j0..)
//     for k block: [copy of A's rows] for nr columns: for tile: micro-kernel (accumulators from 0, from C with acc, or from the
//     pass before)
#include "compiler/loops/ops/MatmulPacking.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/ops/RoundedProduct.h"

#include "compiler/base/Checked.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

namespace quern {

namespace {

class MatmulBuilder {
public:
  MatmulBuilder(OpBuild& build, const MatmulOp& op, const MatmulSchedule& s)
      : build_(build), b_(build.b), op_(op), s_(s), lanes_(static_cast<int>(s.lanes)) {}

  void run() {
    declare();
    if (!op_.constB && s_.packsB()) packPhase();
    auto at = [&](const Value& row, const Value& k) { return op_.batched ? Place{row / m_, row % m_, k} : Place{row, k}; };
    if (rounded_) rounded_->phase(a_, at);
    computePhase();
  }

private:
  using Place = std::vector<Value>;
  static constexpr int64_t kLine = MatmulSchedule::kLineElements;

  /// One tile of the output.
  struct Tile {
    Value batch, row, column;
    Value local;          ///< the row within the task's block
    Value panel, offset;  ///< where packed B has the first column
    Value ahead;          ///< into nextPanel_ from nextK_: what this tile fetches of it; null: nothing
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
    TensorSpec out = op_.output();
    batch_ = op_.batched ? build_.dim(out.dims[0]) : Value(1);
    m_ = build_.dim(out.dims[out.dims.size() - 2]);
    n_ = build_.dim(out.dims.back());
    k_ = build_.dim({"k", op_.k.value});
    panels_ = ceilDivOf(n_, s_.panelWidth());
    for (const TensorSpec& spec : op_.inputs()) {
      if (spec.name == "A") a_ = build_.strided(spec, BufferRole::In);
      else if (spec.name == "B" && op_.a != RoundedTo::F32) rounded_ = roundedProduct(build_, "B", op_, s_, batch_, panels_);
      else if (spec.name == "B" && op_.w != ElementType::F32) weight_.emplace(build_, "B", op_.w, batch_, panels_, k_, s_);
      else if (spec.name == "B" && op_.constB) packed_ = panelBuffer("B", BufferRole::Packed);
      else if (op_.a == RoundedTo::I8 && spec.name == MatmulOp::kScales) continue;  // declared with B
      else if (spec.name == "B") bPlain_ = build_.strided(spec, BufferRole::In);
      else if (spec.name == "C") c_ = build_.strided(spec, BufferRole::InOut);
      else if (spec.name == "residual") epilogue_.push_back({spec, build_.strided(spec, BufferRole::In)});
      else epilogue_.push_back({spec, build_.dense(spec, BufferRole::In)});
    }
    if (!op_.acc) c_ = build_.strided(out, BufferRole::Out);
    if (rounded_) rounded_->declareRows(batch_ * m_);
    if (s_.packsB() && !op_.constB) packed_ = panelBuffer("panels", BufferRole::SharedScratch);
    if (s_.convert == MatmulSchedule::ConvertScratch)
      converted_ = b_.denseBuffer("converted", Scalar::F32, BufferRole::ThreadScratch, {s_.kc, s_.nr});
    if (!s_.packsA()) return;
    // Rows of another length than A's: where A's lie a power of two apart, a tile's would share a few cache sets.
    int64_t depth = k_.constant() != nullptr ? std::clamp<int64_t>(*k_.constant(), 1, s_.kc) : s_.kc, step = roundUp(depth, 16) + 16;
    aCopy_ = b_.buffer("rows", Scalar::F32, BufferRole::ThreadScratch, {rowsInside() ? s_.mr : s_.mc, step}, {step, 1});
  }
  bool rowsInside() const { return s_.inner == MatmulSchedule::InnerRows; }
  BufferRef panelBuffer(const std::string& name, BufferRole role) {
    return b_.denseBuffer(name, Scalar::F32, role, {batch_, panels_, k_, s_.panelWidth()});
  }
  Place withBatch(const Value& batch, Place rest) const {
    if (op_.batched) rest.insert(rest.begin(), batch);
    return rest;
  }

  void packPhase() {
    b_.phase(batch_ * panels_, [&](const Value& task) {
      Value batch = b_.let("pb", task / panels_), panel = b_.let("pp", task % panels_);
      packPanel({build_, bPlain_, packed_, lanes_}, {withBatch(batch, {}), batch, panel, n_, k_, s_.panelWidth(), op_.tb});
    });
  }

  /// Row and column of a task's block among those of one product.
  std::pair<Value, Value> blockOf(const Value& task, const Value& rowBlocks, const Value& columnBlocks) {
    if (s_.walk == MatmulSchedule::WalkRows) return {task / columnBlocks, task % columnBlocks};
    if (s_.walk == MatmulSchedule::WalkColumns) return {task % rowBlocks, task / rowBlocks};
    Value upper = b_.let("upper", ceilDivOf(rowBlocks, 2));
    Value half = b_.let("half", task / (upper * columnBlocks));
    Value within = b_.let("within", task % (upper * columnBlocks));
    Value rows = b_.let("half_rows", maxOf(1, minOf(upper, rowBlocks - half * upper)));
    return {half * upper + within % rows, within / rows};
  }

  void computePhase() {
    Value rowBlocks = ceilDivOf(m_, s_.mc), columnBlocks = ceilDivOf(n_, s_.nc);
    b_.phase(batch_ * rowBlocks * columnBlocks, [&](const Value& task) {
      Value batch = batch_.isConstant(1) ? Value(0) : b_.let("batch_i", task / (rowBlocks * columnBlocks));
      Value rest = batch_.isConstant(1) ? task : b_.let("block", task % (rowBlocks * columnBlocks));
      auto [i, j] = blockOf(rest, rowBlocks, columnBlocks);
      i0_ = rowBlocks.isConstant(1) ? Value(0) : b_.let("i0", i * s_.mc);
      j0_ = columnBlocks.isConstant(1) ? Value(0) : b_.let("j0", j * s_.nc);
      i1_ = b_.let("i1", minOf(i0_ + s_.mc, m_));
      j1_ = b_.let("j1", minOf(j0_ + s_.nc, n_));
      forPasses([&](const Pass& pass) { rowsInside() ? tilesOverColumns(batch, pass) : groupsOverRows(batch, pass); });
      if (finishesLater()) finishBlock(batch);
    });
  }

  /// inner=columns.
  void groupsOverRows(const Value& batch, const Pass& pass) {
    if (s_.packsA()) copyRows({build_, a_, aCopy_, lanes_}, {withBatch(batch, {}), i0_, i1_, pass.k0, pass.k1});
    forColumns(j0_, j1_, [&](const Value& column, int64_t vectors, const Value* mask) {
      Tile group = groupAt(batch, column, vectors, mask, pass);
      forTiles([&](const Value& row, int64_t rows, bool ahead) { microKernel(tileOf(group, row, row - i0_, rows, ahead, pass), pass); });
    });
  }
  /// inner=rows: A is copied tile by tile, and stays in L1.
  void tilesOverColumns(const Value& batch, const Pass& pass) {
    forTiles([&](const Value& row, int64_t rows, bool ahead) {
      if (s_.packsA()) copyRows({build_, a_, aCopy_, lanes_}, {withBatch(batch, {}), row, row + rows, pass.k0, pass.k1});
      forColumns(j0_, j1_, [&](const Value& column, int64_t vectors, const Value* mask) {
        microKernel(tileOf(groupAt(batch, column, vectors, mask, pass), row, 0, rows, ahead, pass), pass);
      });
    });
  }

  void forPasses(const std::function<void(const Pass&)>& body) {
    const int64_t* known = k_.constant();
    if ((known != nullptr && *known <= s_.kc) || s_.chains() > 1) return body({0, k_, {}, {}});
    // At least one pass, also where k is 0 at run time: the epilogue runs in the last.
    b_.loop("k0", 0, maxOf(k_, 1), s_.kc, [&](const Value& k0) {
      Value k1 = b_.let("k1", minOf(k0 + s_.kc, k_));
      body({k0, k1, lessThan(0, k0), binary(LoopOp::Le, k_, k0 + s_.kc)});
    });
  }

  /// Groups of nr columns from j0 to j1, then what is left: exactly where n is known, else vector by vector.
  void forColumns(const Value& j0, const Value& j1, const std::function<void(const Value&, int64_t, const Value*)>& body) {
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

  /// A group of columns: what its tiles have in common.
  Tile groupAt(const Value& batch, const Value& column, int64_t vectors, const Value* mask, const Pass& pass) {
    int64_t width = s_.panelWidth();
    bool atPanel = n_.constant() != nullptr && s_.nr % width == 0;
    Value panel = s_.packsB() ? b_.let("panel", column / width) : Value(0);
    Value offset = s_.packsB() && !atPanel ? b_.let("in_panel", column % width) : Value(0);
    Tile group{batch, i0_, column, 0, panel, offset, {}, 1, vectors, mask};
    if (s_.convert == MatmulSchedule::ConvertScratch)
      weight_->forDepth(batch, columnsOf(group), pass.k0, pass.k1, [&](const Value& k, const std::vector<Value>& values) {
        for (size_t v = 0; v < values.size(); ++v) b_.store(converted_, {k - pass.k0, static_cast<int64_t>(v) * lanes_}, values[v]);
      });
    if (s_.prefetchPanel > 0) findNextPanel(column, panel, pass);
    return group;
  }
  Tile tileOf(const Tile& group, const Value& row, const Value& local, int64_t rows, bool ahead, const Pass& pass) {
    Tile t = group;
    t.row = row;
    t.local = local;
    t.rows = rows;
    if (ahead) t.ahead = b_.let("ahead", (row - i0_) / s_.mr * (pass.k1 - pass.k0) * s_.aheadEachStep());
    return t;
  }
  /// Where the panel lies that is read after this one: of the next group, else the next pass's first, else the next task's.
  void findNextPanel(const Value& column, const Value& panel, const Pass& pass) {
    Value first = j0_ / s_.nr, more = lessThan(column + s_.nr, j1_);
    bool only = pass.last.expr() == nullptr;
    auto inLastPass = [&](const Value& yes, const Value& no) { return only ? yes : selectOf(pass.last, yes, no); };
    // A walk along columns comes back to the same.
    Value other = s_.walk == MatmulSchedule::WalkRows ? inLastPass(panel + 1, first) : first;
    nextPanel_ = b_.let("next_panel", selectOf(more, panel + 1, other));
    nextK_ = b_.let("next_k", selectOf(more, pass.k0, inLastPass(0, pass.k1)));
  }
  /// Where the vectors of a tile lie in packed B.
  std::vector<WeightColumns> columnsOf(const Tile& t) const {
    int64_t width = s_.panelWidth();
    std::vector<WeightColumns> places;
    for (int64_t c = 0; c < t.vectors * lanes_; c += lanes_) {
      if (t.vectors * lanes_ <= width) places.push_back({t.panel, t.offset + c});
      else places.push_back({t.panel + c / width, c % width});
    }
    return places;
  }

  /// Tiles of mr rows, the first ones `ahead` where a panel is prefetched, then the rows left as one tile: the one for their number is
  /// chosen at run time where m is.
  void forTiles(const std::function<void(const Value& row, int64_t rows, bool ahead)>& body) {
    Value whole = b_.let("i_whole", i0_ + (i1_ - i0_) / s_.mr * s_.mr), begin = i0_;
    if (s_.prefetchPanel > 0) {
      begin = b_.let("i_ahead", minOf(i0_ + s_.aheadTiles() * s_.mr, whole));
      b_.loop("i", i0_, begin, s_.mr, [&](const Value& i) { body(i, s_.mr, true); });
    }
    b_.loop("i", begin, whole, s_.mr, [&](const Value& i) { body(i, s_.mr, false); });
    if (const int64_t* m = m_.constant()) {
      int64_t left = *m % s_.mr;
      if (left == 0) return;
      if (*m <= s_.mc) body(whole, left, false);
      else b_.when(lessThan(whole, i1_), [&] { body(whole, left, false); });
      return;
    }
    Value left = b_.let("m_left", i1_ - whole);
    for (int64_t rows = 1; rows < s_.mr; ++rows) b_.when(binary(LoopOp::Eq, left, rows), [&] { body(whole, rows, false); });
  }

  /// Maths functions need registers of their own, and long stretches to overlap in: they run once the block is stored.
  bool finishesLater() const {
    constexpr double kFewOperations = 4;
    return op_.ep != nullptr && flopsOf(*op_.ep) > kFewOperations;
  }

  Place cAt(const Tile& t, const Value& r, const Value& v) const { return withBatch(t.batch, {t.row + r, t.column + v * lanes_}); }

  /// Accumulators: chain after chain, each of t.rows x t.vectors.
  void microKernel(const Tile& t, const Pass& pass) {
    RegArray acc = b_.reg("acc", {static_cast<int>(s_.chains() * t.rows), static_cast<int>(t.vectors)}, f32Const(0, lanes_));
    RegArray bv = b_.reg("bv", {static_cast<int>(t.vectors)}, f32Const(0, lanes_));
    auto fromC = [&] {
      eachVector(t,
                 [&](const Value& r, const Value& v, const Value* mask) { b_.set(acc, {r, v}, b_.load(c_, cAt(t, r, v), lanes_, mask)); });
    };
    if (s_.prefetchC != MatmulSchedule::PrefetchNoC) prefetchOutputs(t);
    auto start = [&] {
      if (op_.acc) fromC();
      else if (pass.later.expr() != nullptr) b_.when(pass.later, fromC);
    };
    if (!rounded_) start();
    if (rounded_) {
      std::vector<WeightColumns> columns = columnsOf(t);
      rounded_->run({t.batch, t.batch * m_ + t.row, t.rows, columns, pass.k0, pass.k1, acc, t.column, t.mask, start});
    } else if (weight_ && s_.convert == MatmulSchedule::ConvertRegisters) {
      weight_->forDepth(t.batch, columnsOf(t), pass.k0, pass.k1, [&](const Value& k, const std::vector<Value>& values) {
        b_.unroll("r", t.rows, [&](const Value& r) {
          Value a = b_.let("a", broadcast(elementOfA(t, pass, r, k), lanes_));
          for (size_t v = 0; v < values.size(); ++v)
            b_.set(acc, {r, static_cast<int64_t>(v)}, build_.mulAdd(a, values[v], b_.get(acc, {r, static_cast<int64_t>(v)})));
        });
      });
    } else if (s_.chains() == 1) depthLoop(t, pass, acc, bv);
    else splitDepth(t, pass, acc, bv);
    auto finish = [&] { storeTile(t, acc, true); };
    if (op_.ep == nullptr || finishesLater()) storeTile(t, acc, false);
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

  void prefetchOutputs(const Tile& t) {
    Value row = s_.prefetchC == MatmulSchedule::PrefetchBelow ? t.row + t.rows : t.row;
    b_.unroll("r", t.rows, [&](const Value& r) {
      for (int64_t c = 0; c < t.vectors * lanes_; c += kLine) b_.prefetch(c_, withBatch(t.batch, {row + r, t.column + c}));
    });
  }
  void prefetchAhead(const Tile& t, const Pass& pass, const Value& k) {
    if (t.ahead.expr() == nullptr) return;
    Value first = t.ahead + (k - pass.k0) * s_.aheadEachStep();
    for (int64_t line = 0; line < s_.prefetchPanel; ++line)
      b_.prefetchL2(packed_, Place{t.batch, nextPanel_, nextK_, first + line * kLine});
  }

  void depthLoop(const Tile& t, const Pass& pass, const RegArray& acc, const RegArray& bv) {
    auto step = [&](const Value& k) { depthStep(t, pass, k, 0, acc, bv); };
    Value bulk = s_.unrollK == 1 ? pass.k1 : b_.let("k_bulk", pass.k0 + (pass.k1 - pass.k0) / s_.unrollK * s_.unrollK);
    b_.loop("k", pass.k0, bulk, s_.unrollK, [&](const Value& k) {
      prefetchAhead(t, pass, k);
      b_.unroll("u", s_.unrollK, [&](const Value& u) { step(k + u); });
    });
    if (s_.unrollK > 1) b_.loop("k", bulk, pass.k1, 1, step);
  }

  /// P chains over ranges of ceil(k / P) steps, the last ones shorter or empty; then chain p takes in chain p + P/2, and so on.
  void splitDepth(const Tile& t, const Pass& pass, const RegArray& acc, const RegArray& bv) {
    int64_t chains = s_.chains();
    Value range = b_.let("range", ceilDivOf(k_, chains));
    Value common = b_.let("common", maxOf(0, k_ - range * (chains - 1)));
    auto step = [&](const Value& chain, const Value& k) { depthStep(t, pass, chain * range + k, chain * t.rows, acc, bv); };
    b_.loop("k", 0, common, 1, [&](const Value& k) { b_.unroll("chain", chains, [&](const Value& chain) { step(chain, k); }); });
    for (int64_t chain = 0; chain + 1 < chains; ++chain) {
      Value count = b_.let("count", minOf(range, maxOf(0, k_ - range * chain)));
      b_.loop("k", common, count, 1, [&](const Value& k) { step(chain, k); });
    }
    for (int64_t half = chains / 2; half > 0; half /= 2)
      b_.unroll("r", half * t.rows, [&](const Value& r) {
        b_.unroll("v", t.vectors, [&](const Value& v) { b_.set(acc, {r, v}, b_.get(acc, {r, v}) + b_.get(acc, {r + half * t.rows, v})); });
      });
  }

  /// acc[first + r][v] += A[row + r, k] * B[k, column + v * lanes ..].
  void depthStep(const Tile& t, const Pass& pass, const Value& k, const Value& first, const RegArray& acc, const RegArray& bv) {
    int64_t plain = t.vectors - (t.mask != nullptr && !s_.packsB() ? 1 : 0);
    if (s_.prefetch > 0 && s_.packsB())
      for (int64_t c = 0; c < t.vectors * lanes_; c += kLine) b_.prefetch(packed_, panelAt(t, k + s_.prefetch, c));
    b_.unroll("v", plain, [&](const Value& v) {
      b_.set(bv, {v},
             weight_       ? b_.load(converted_, {k - pass.k0, v * lanes_}, lanes_)
             : s_.packsB() ? b_.load(packed_, panelAt(t, k, v * lanes_), lanes_)
                           : b_.load(bPlain_, withBatch(t.batch, {k, t.column + v * lanes_}), lanes_));
    });
    if (plain < t.vectors) b_.set(bv, {plain}, b_.load(bPlain_, withBatch(t.batch, {k, t.column + plain * lanes_}), lanes_, t.mask));
    b_.unroll("r", t.rows, [&](const Value& r) {
      Value a = b_.let("a", broadcast(elementOfA(t, pass, r, k), lanes_));
      b_.unroll("v", t.vectors,
                [&](const Value& v) { b_.set(acc, {first + r, v}, build_.mulAdd(a, b_.get(bv, {v}), b_.get(acc, {first + r, v}))); });
    });
  }
  Value elementOfA(const Tile& t, const Pass& pass, const Value& r, const Value& k) const {
    if (s_.packsA()) return b_.load(aCopy_, {t.local + r, k - pass.k0}, 1);
    return b_.load(a_, withBatch(t.batch, op_.ta ? Place{k, t.row + r} : Place{t.row + r, k}), 1);
  }
  /// Column t.column + c of packed B. A tile begins inside a panel only where all of it lies there.
  Place panelAt(const Tile& t, const Value& k, const Value& c) const {
    int64_t width = s_.panelWidth();
    if (t.vectors * lanes_ <= width) return {t.batch, t.panel, k, t.offset + c};
    return {t.batch, t.panel + c / width, k, c % width};
  }

  void storeTile(const Tile& t, const RegArray& acc, bool last) {
    eachVector(t, [&](const Value& r, const Value& v, const Value* mask) {
      Value value = b_.get(acc, {r, v});
      b_.store(c_, cAt(t, r, v), last ? finished(value, {t.batch, t.row + r, t.column + v * lanes_}, lanes_, mask) : value, mask);
    });
  }

  /// The epilogue over the task's block, stored before and still in L2.
  void finishBlock(const Value& batch) {
    constexpr int kUnroll = 2;
    b_.loop("ei", i0_, i1_, 1, [&](const Value& i) {
      build_.forVectors("ej", j0_, j1_ - j0_, lanes_, kUnroll, build_.masks(), [&](const Value& j, int lanes, const Value* mask) {
        Place at = withBatch(batch, {i, j});
        b_.store(c_, at, finished(b_.let("x", b_.load(c_, at, lanes, mask)), {batch, i, j}, lanes, mask), mask);
      });
    });
  }

  /// The epilogue of x, whose first element is at `full` = batch, row, column. Operands are broadcast along every dimension of
  /// length one.
  Value finished(const Value& x, const std::array<Value, 3>& full, int lanes, const Value* mask) {
    return build_.scalarExpr(*op_.ep, lanes, [&](const std::string& name) {
      if (name == "x") return x;
      for (const auto& [spec, buffer] : epilogue_) {
        if (spec.name != name) continue;
        Place at;
        size_t rank = spec.dims.size();
        for (size_t i = 0; i < rank; ++i) at.push_back(spec.dims[i].name == "one" ? Value(0) : full[3 - rank + i]);
        bool vector = rank > 0 && spec.dims.back().name != "one";
        return vector ? b_.load(buffer, at, lanes, mask) : broadcast(b_.load(buffer, at, 1), lanes);
      }
      return Value();
    });
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const MatmulOp& op_;
  const MatmulSchedule& s_;
  int lanes_;
  BufferRef a_, aCopy_, bPlain_, c_, packed_, converted_;
  std::optional<WeightReader> weight_;  ///< of a weight that is not f32
  std::unique_ptr<RoundedProduct> rounded_;
  std::vector<std::pair<TensorSpec, BufferRef>> epilogue_;
  Value batch_, m_, n_, k_, panels_, i0_, i1_, j0_, j1_;
  Value nextPanel_, nextK_;  ///< of the group that is built
};

}  // namespace

void buildLoops(OpBuild& build, const MatmulOp& op, const MatmulSchedule& schedule) { MatmulBuilder(build, op, schedule).run(); }

}  // namespace quern
