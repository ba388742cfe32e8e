// compiler/loops/ops/MatmulLoops.cpp — matmul: tasks of mc x nc outputs, k blocks of kc, panels of nr columns, tiles of mr rows.
//
//   [phase 0: B into panels, where the schedule packs an operand that is no weight; or A into codes, with a=q8]
//   task (batch, rows i0.., columns j0..)
//     for k block: [copy of A's rows] for nr columns: for tile: micro-kernel (accumulators from 0, from C with acc, or from the
//     pass before)
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/ops/CodedRows.h"
#include "compiler/loops/ops/MatmulBatch.h"
#include "compiler/loops/ops/MatmulBlocks.h"
#include "compiler/loops/ops/MatmulEpilogue.h"
#include "compiler/loops/ops/MatmulPacking.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/ops/RoundedProduct.h"

#include "compiler/base/Checked.h"
#include "compiler/op/BlockValues.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

namespace quern {

namespace {

class MatmulBuilder {
public:
  /// `dense`: what has strides elsewhere has none.
  MatmulBuilder(OpBuild& build, const MatmulOp& op, const MatmulSchedule& s, bool dense)
      : build_(build),
        b_(build.b),
        op_(op),
        s_(s),
        epilogue_(build, op),
        batch_(build, op),
        dense_(dense),
        lanes_(static_cast<int>(s.lanes)) {}

  void run() {
    declare();
    if (!op_.constB && s_.packsB()) packPhase();
    auto at = [&](const Value& row, const Value& k) {
      return op_.batchA.empty() ? Place{row, k} : joined(batch_.ownOfA(row / m_), {row % m_, k});
    };
    if (rounded_) op_.in == ElementType::F32 ? rounded_->phase(a_, at) : rounded_->given(batch_.countOfA() * m_, a_, at);
    computePhase();
  }

private:
  using Place = std::vector<Value>;
  using Pass = MatmulBlocks::Pass;
  using Rows = MatmulBlocks::Rows;
  static constexpr int64_t kLine = MatmulSchedule::kLineElements;

  /// One tile of the output.
  struct Tile {
    const BatchPlace& batch;
    Value row, column;
    Value local;          ///< the row within the task's block
    Value panel, offset;  ///< where packed B has the first column
    Value ahead;          ///< into nextPanel_ from nextK_: what this tile fetches of it; null: nothing
    int64_t rows, vectors;
    const Value* mask;  ///< of the last vector; null: full
    Value there{};      ///< of its rows; null: all
  };
  /// Where a tile's sums are until they are stored: registers, or scratch of the arithmetic's own.
  struct Sums {
    RegArray registers;
    const BufferRef* scratch;
  };

  void declare() {
    TensorSpec out = op_.output();
    m_ = build_.dim({"m", op_.m.value});
    n_ = build_.dim({"n", op_.n.value});
    k_ = build_.dim({"k", op_.k.value});
    panels_ = ceilDivOf(n_, s_.panelWidth());
    const Value& batches = batch_.countOfB();
    for (const TensorSpec& spec : op_.inputs()) {
      if (spec.name == "A") a_ = matrix(spec, BufferRole::In);
      else if (spec.name == "B" && op_.a != RoundedTo::F32) rounded_ = roundedProduct(build_, "B", op_, s_, batches, panels_);
      else if (spec.name == "B" && op_.w != ElementType::F32) weight_.emplace(build_, "B", op_.w, batches, panels_, k_, s_);
      else if (spec.name == "B" && op_.constB) packed_ = panelBuffer("B", BufferRole::Packed);
      else if (op_.a == RoundedTo::I8 && spec.name == MatmulOp::kScales) continue;  // declared with B
      else if (spec.name == "B") bPlain_ = matrix(spec, BufferRole::In);
      else if (spec.name == "C") c_ = matrix(spec, BufferRole::InOut);
      else epilogue_.operand(op_.asMatrix(spec), isDense(spec));
    }
    if (!op_.acc) c_ = matrix(out, BufferRole::Out);
    out_ = c_;
    // As f32 until all of it is there.
    if (handsOn()) c_ = b_.denseBuffer("block", Scalar::F32, BufferRole::ThreadScratch, {s_.mc, s_.nc});
    MatmulBlocks::Wish none{1, 0};
    blocks_.emplace(build_, s_, m_, n_, k_, rounded_ ? MatmulBlocks::Wish{rounded_->rowsTogether(), rounded_->lastPass()} : none);
    if (rounded_ && op_.in == ElementType::F32) rounded_->declareRows(batch_.countOfA() * m_);
    if (s_.packsB() && !op_.constB) packed_ = panelBuffer("panels", BufferRole::SharedScratch);
    if (weight_ && s_.convert == MatmulSchedule::ConvertScratch)
      converted_ = b_.denseBuffer("converted", Scalar::F32, BufferRole::ThreadScratch, {s_.kc, s_.nr});
    if (!s_.packsA()) return;
    // Rows of another length than A's: where A's lie a power of two apart, a tile's would share a few cache sets.
    int64_t depth = k_.constant() != nullptr ? std::clamp<int64_t>(*k_.constant(), 1, s_.kc) : s_.kc, step = roundUp(depth, 16) + 16;
    aCopy_ = b_.buffer("rows", Scalar::F32, BufferRole::ThreadScratch, {rowsInside() ? s_.mr : s_.mc, step}, {step, 1});
  }
  /// Rows of blocks are dense, and what has fewer axes than there are indices.
  bool isDense(const TensorSpec& spec) const {
    return dense_ || isQuantised(spec.type) || op_.asMatrix(spec).dims.size() != spec.dims.size();
  }
  BufferRef matrix(const TensorSpec& spec, BufferRole role) {
    TensorSpec as = op_.asMatrix(spec);
    return isDense(spec) ? build_.dense(as, role) : build_.strided(as, role);
  }
  bool handsOn() const { return op_.out != ElementType::F32; }
  bool rowsInside() const { return s_.inner == MatmulSchedule::InnerRows; }
  BufferRef panelBuffer(const std::string& name, BufferRole role) {
    return b_.denseBuffer(name, Scalar::F32, role, {batch_.countOfB(), panels_, k_, s_.panelWidth()});
  }
  void packPhase() {
    b_.phase(batch_.countOfB() * panels_, [&](const Value& task) {
      Value batch = b_.let("pb", task / panels_), panel = b_.let("pp", task % panels_);
      packPanel({build_, bPlain_, packed_, lanes_}, {batch_.ownOfB(batch), batch, panel, n_, k_, s_.panelWidth(), op_.tb});
    });
  }

  void computePhase() {
    Value rowBlocks = ceilDivOf(m_, s_.mc), columnBlocks = ceilDivOf(n_, s_.nc);
    b_.phase(batch_.count() * rowBlocks * columnBlocks, [&](const Value& task) {
      bool one = batch_.count().isConstant(1);
      BatchPlace batch = batch_.at(one ? Value(0) : b_.let("batch_i", task / (rowBlocks * columnBlocks)));
      Value rest = one ? task : b_.let("block", task % (rowBlocks * columnBlocks));
      auto [i, j] = blocks_->of(rest, rowBlocks, columnBlocks);
      i0_ = rowBlocks.isConstant(1) ? Value(0) : b_.let("i0", i * s_.mc);
      j0_ = columnBlocks.isConstant(1) ? Value(0) : b_.let("j0", j * s_.nc);
      i1_ = b_.let("i1", minOf(i0_ + s_.mc, m_));
      j1_ = b_.let("j1", minOf(j0_ + s_.nc, n_));
      blocks_->forPasses([&](const Pass& pass) {
        auto tiles = [&] { rowsInside() ? tilesOverColumns(batch, pass) : groupsOverRows(batch, pass); };
        rounded_ ? rounded_->inPass(pass.k0, tiles) : tiles();
      });
      if (finishesLater()) finishBlock(batch);
    });
  }

  /// inner=columns.
  void groupsOverRows(const BatchPlace& batch, const Pass& pass) {
    if (s_.packsA()) copyRows({build_, a_, aCopy_, lanes_}, {batch.a, i0_, i1_, pass.k0, pass.k1});
    blocks_->forColumns(j0_, j1_, [&](const Value& column, int64_t vectors, const Value* mask) {
      Tile group = groupAt(batch, column, vectors, mask, pass);
      blocks_->forTiles(i0_, i1_, [&](const Rows& rows) { microKernel(tileOf(group, rows, rows.first - i0_, pass), pass); });
    });
  }
  /// inner=rows: A is copied tile by tile, and stays in L1.
  void tilesOverColumns(const BatchPlace& batch, const Pass& pass) {
    blocks_->forTiles(i0_, i1_, [&](const Rows& rows) {
      if (s_.packsA()) copyRows({build_, a_, aCopy_, lanes_}, {batch.a, rows.first, rows.first + rows.count, pass.k0, pass.k1});
      blocks_->forColumns(j0_, j1_, [&](const Value& column, int64_t vectors, const Value* mask) {
        microKernel(tileOf(groupAt(batch, column, vectors, mask, pass), rows, 0, pass), pass);
      });
    });
  }

  /// A group of columns: what its tiles have in common.
  Tile groupAt(const BatchPlace& batch, const Value& column, int64_t vectors, const Value* mask, const Pass& pass) {
    int64_t width = s_.panelWidth();
    bool atPanel = n_.constant() != nullptr && s_.nr % width == 0;
    Value panel = s_.packsB() ? b_.let("panel", column / width) : Value(0);
    Value offset = s_.packsB() && !atPanel ? b_.let("in_panel", column % width) : Value(0);
    Tile group{batch, i0_, column, 0, panel, offset, {}, 1, vectors, mask};
    if (rounded_ && s_.convert == MatmulSchedule::ConvertScratch) {
      std::vector<WeightColumns> columns = columnsOf(group);
      rounded_->convert({batch.ofB, columns, pass.k0, pass.k1});
    }
    if (weight_ && s_.convert == MatmulSchedule::ConvertScratch)
      weight_->forDepth(batch.ofB, columnsOf(group), pass.k0, pass.k1, [&](const Value& k, const std::vector<Value>& values) {
        for (size_t v = 0; v < values.size(); ++v) b_.store(converted_, {k - pass.k0, static_cast<int64_t>(v) * lanes_}, values[v]);
      });
    if (s_.prefetchPanel > 0) findNextPanel(column, panel, pass);
    return group;
  }
  Tile tileOf(const Tile& group, const Rows& rows, const Value& local, const Pass& pass) {
    Tile t = group;
    t.row = rows.first;
    t.local = local;
    t.rows = rows.count;
    t.there = rows.there;
    if (rows.ahead) t.ahead = b_.let("ahead", (t.row - i0_) / s_.mr * (pass.k1 - pass.k0) * s_.aheadEachStep());
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

  /// Where output (row, column) of the task's block is until the end.
  Place placeInC(const BatchPlace& batch, const Value& row, const Value& column) const {
    return handsOn() ? Place{row - i0_, column - j0_} : joined(batch.c, {row, column});
  }
  Place cAt(const Tile& t, const Value& r, const Value& v) const { return placeInC(t.batch, t.row + r, t.column + v * lanes_); }
  bool finishesLater() const { return epilogue_.runsLater() || handsOn(); }

  /// Accumulators: chain after chain, each of t.rows x t.vectors.
  void microKernel(const Tile& t, const Pass& pass) {
    Sums sums{{}, rounded_ ? rounded_->sums() : nullptr};
    RegArray acc, bv;
    if (sums.scratch == nullptr) {
      sums.registers = acc = b_.reg("acc", {static_cast<int>(s_.chains() * t.rows), static_cast<int>(t.vectors)}, f32Const(0, lanes_));
      bv = b_.reg("bv", {static_cast<int>(t.vectors)}, f32Const(0, lanes_));
    }
    auto fromC = [&] {
      eachVector(t, [&](const Value& r, const Value& v, const Value* mask) {
        Value before = b_.load(c_, cAt(t, r, v), lanes_, mask);
        if (sums.scratch == nullptr) b_.set(acc, {r, v}, before);
        else b_.store(*sums.scratch, {r, v * lanes_}, before);
      });
    };
    if (s_.prefetchC != MatmulSchedule::PrefetchNoC) prefetchOutputs(t);
    bool resumes = op_.acc || pass.resumes;
    auto start = [&] {
      if (resumes) fromC();
      else if (pass.later.expr() != nullptr) b_.when(pass.later, fromC);
    };
    if (!rounded_) start();
    if (rounded_) {
      std::vector<WeightColumns> columns = columnsOf(t);
      rounded_->run({t.batch.ofB, t.batch.ofA * m_ + t.row, t.rows, columns, pass.k0, pass.k1, acc, t.column, t.mask, start, resumes,
                     pass.later, t.there});
    } else if (weight_ && s_.convert == MatmulSchedule::ConvertRegisters) convertedDepth(t, pass, acc);
    else if (s_.chains() == 1) depthLoop(t, pass, acc, bv);
    else splitDepth(t, pass, acc, bv);
    auto finish = [&] { storeTile(t, sums, true); };
    if (!epilogue_.any() || finishesLater() || pass.goesOn) storeTile(t, sums, false);
    else if (pass.last.expr() == nullptr) finish();
    else b_.when(pass.last, finish, [&] { storeTile(t, sums, false); });
  }
  void convertedDepth(const Tile& t, const Pass& pass, const RegArray& acc) {
    weight_->forDepth(t.batch.ofB, columnsOf(t), pass.k0, pass.k1, [&](const Value& k, const std::vector<Value>& values) {
      b_.unroll("r", t.rows, [&](const Value& r) {
        Value a = b_.let("a", broadcast(elementOfA(t, pass, r, k), lanes_));
        for (size_t v = 0; v < values.size(); ++v)
          b_.set(acc, {r, static_cast<int64_t>(v)}, build_.mulAdd(a, values[v], b_.get(acc, {r, static_cast<int64_t>(v)})));
      });
    });
  }
  /// body(r, v, mask) for every accumulator that stands for an output; the last vector of a row apart where it has a mask.
  void eachVector(const Tile& t, const std::function<void(const Value&, const Value&, const Value*)>& body) {
    auto row = [&](const Value& r) {
      int64_t plain = t.vectors - (t.mask != nullptr ? 1 : 0);
      b_.unroll("v", plain, [&](const Value& v) { body(r, v, nullptr); });
      if (t.mask != nullptr) body(r, plain, t.mask);
    };
    if (rounded_ && rounded_->sums() != nullptr) b_.loop("r", 0, t.there.expr() == nullptr ? Value(t.rows) : t.there, 1, row);
    else b_.unroll("r", t.rows, row);
  }

  void prefetchOutputs(const Tile& t) {
    Value row = s_.prefetchC == MatmulSchedule::PrefetchBelow ? t.row + t.rows : t.row;
    b_.unroll("r", t.rows, [&](const Value& r) {
      for (int64_t c = 0; c < t.vectors * lanes_; c += kLine) b_.prefetch(c_, placeInC(t.batch, row + r, t.column + c));
    });
  }
  void prefetchAhead(const Tile& t, const Pass& pass, const Value& k) {
    if (t.ahead.expr() == nullptr) return;
    Value first = t.ahead + (k - pass.k0) * s_.aheadEachStep();
    for (int64_t line = 0; line < s_.prefetchPanel; ++line)
      b_.prefetchL2(packed_, Place{t.batch.ofB, nextPanel_, nextK_, first + line * kLine});
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
                           : b_.load(bPlain_, joined(t.batch.b, {k, t.column + v * lanes_}), lanes_));
    });
    if (plain < t.vectors) b_.set(bv, {plain}, b_.load(bPlain_, joined(t.batch.b, {k, t.column + plain * lanes_}), lanes_, t.mask));
    b_.unroll("r", t.rows, [&](const Value& r) {
      Value a = b_.let("a", broadcast(elementOfA(t, pass, r, k), lanes_));
      b_.unroll("v", t.vectors,
                [&](const Value& v) { b_.set(acc, {first + r, v}, build_.mulAdd(a, b_.get(bv, {v}), b_.get(acc, {first + r, v}))); });
    });
  }
  Value elementOfA(const Tile& t, const Pass& pass, const Value& r, const Value& k) const {
    if (s_.packsA()) return b_.load(aCopy_, {t.local + r, k - pass.k0}, 1);
    return b_.load(a_, joined(t.batch.a, op_.ta ? Place{k, t.row + r} : Place{t.row + r, k}), 1);
  }
  /// Column t.column + c of packed B. A tile begins inside a panel only where all of it lies there.
  Place panelAt(const Tile& t, const Value& k, const Value& c) const {
    int64_t width = s_.panelWidth();
    if (t.vectors * lanes_ <= width) return {t.batch.ofB, t.panel, k, t.offset + c};
    return {t.batch.ofB, t.panel + c / width, k, c % width};
  }

  void storeTile(const Tile& t, const Sums& sums, bool last) {
    eachVector(t, [&](const Value& r, const Value& v, const Value* mask) {
      Value sum = sums.scratch == nullptr ? b_.get(sums.registers, {r, v}) : b_.let("sum", b_.load(*sums.scratch, {r, v * lanes_}, lanes_));
      b_.store(c_, cAt(t, r, v), last ? epilogue_.of(sum, joined(t.batch.c, {t.row + r, t.column + v * lanes_}), lanes_, mask) : sum, mask);
    });
  }

  /// The epilogue over the task's block, stored before and still in L2, and what it is handed on as.
  void finishBlock(const BatchPlace& batch) {
    constexpr int kUnroll = 2;
    auto finished = [&](const Value& i, const Value& j, int lanes, const Value* mask) {
      Value x = b_.let("x", b_.load(c_, placeInC(batch, i, j), lanes, mask));
      return epilogue_.any() ? epilogue_.of(x, joined(batch.c, {i, j}), lanes, mask) : x;
    };
    b_.loop("ei", i0_, i1_, 1, [&](const Value& i) {
      if (op_.out == ElementType::Q8) return codeRow(batch, i, finished);
      build_.forVectors("ej", j0_, j1_ - j0_, lanes_, kUnroll, build_.masks(), [&](const Value& j, int lanes, const Value* mask) {
        storeFloats(build_, out_, joined(batch.c, {i, j}), finished(i, j, lanes, mask), mask);
      });
    });
  }
  /// A row of the block, whose columns are whole blocks of q8.
  void codeRow(const BatchPlace& batch, const Value& i,
               const std::function<Value(const Value&, const Value&, int, const Value*)>& finished) {
    b_.loop("ej", j0_, j1_, CodedBlock::kElements, [&](const Value& j) {
      std::vector<Value> x;
      for (int first = 0; first < CodedBlock::kElements; first += lanes_) x.push_back(finished(i, j + first, lanes_, nullptr));
      storeCoded(build_, x, out_, [&](int word) { return joined(batch.c, {i, j / (CodedBlock::kElements / CodedWords::kWords) + word}); });
    });
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const MatmulOp& op_;
  const MatmulSchedule& s_;
  MatmulEpilogue epilogue_;
  MatmulBatch batch_;
  std::optional<MatmulBlocks> blocks_;
  bool dense_;
  int lanes_;
  BufferRef a_, aCopy_, bPlain_, c_, out_, packed_, converted_;
  std::optional<WeightReader> weight_;  ///< of a weight that is not f32
  std::unique_ptr<RoundedProduct> rounded_;
  Value m_, n_, k_, panels_, i0_, i1_, j0_, j1_;
  Value nextPanel_, nextK_;  ///< of the group that is built
};

}  // namespace

void buildLoops(OpBuild& build, const MatmulOp& op, const MatmulSchedule& schedule) {
  std::optional<MatmulOp> one = oneProduct(build, op);
  MatmulBuilder(build, one ? *one : op, schedule, one.has_value()).run();
}

}  // namespace quern
