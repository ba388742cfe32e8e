// compiler/loops/ops/ByteLoops.cpp — see ByteLoops.h.
#include "compiler/loops/ops/ByteLoops.h"

#include "compiler/base/Check.h"
#include "compiler/loops/build/Lanes.h"

namespace quern {

ByteRows::ByteRows(OpBuild& build, const Value& rows, int64_t k, int bias, int64_t more)
    : build_(build), rows_(rows), k_(k), bias_(bias), lanes_(build.target.vectorLanes()) {
  LoopBuilder& b = build.b;
  // Rows of another length than A's: where A's lie a power of two apart, a tile's would share a few cache sets.
  constexpr int64_t kApart = 16;
  int64_t words = wordsOf(k);
  if (more > 0) {
    if (words > kApart) gap_ = roundUp(words, kApart) - words;
    words = roundUp(words, kApart);
  }
  codes_ = b.denseBuffer("codes", Scalar::I32, BufferRole::SharedScratch, {rows + more, words + kApart});
  scales_ = b.denseBuffer("row_scales", Scalar::F32, BufferRole::SharedScratch, {rows});
  if (bias != 0) starts_ = b.denseBuffer("starts", Scalar::I32, BufferRole::SharedScratch, {rows});
}

void ByteRows::codeRow(const Value& row, const std::function<std::vector<Value>(const Value& k)>& at) {
  constexpr int kWords = kCodeGroup / 4;
  LoopBuilder& b = build_.b;
  RowReduce most(build_, "most", LoopOp::Max, lanes_, k_);
  most.run([&](const Value& k, const Value* mask) { return unary(LoopOp::Abs, b.load(a_, at(k), lanes_, mask)); });
  Coding coding(b, b.let("amax", most.fold()));
  b.store(scales_, {row}, coding.scale());
  Value inverse = coding.inverse();
  RegArray sums = b.reg("sums", {1}, i32Const(0, lanes_));
  auto group = [&](const Value& index, int64_t elements, int64_t gap) {
    std::vector<Value> bytes;
    for (int64_t first = 0; first < kCodeGroup; first += lanes_) {
      Value k = index * kCodeGroup + first, x = f32Const(0, lanes_);
      Value mask = first < elements && elements < first + lanes_ ? b.let("mask", maskOf(elements - first, lanes_)) : Value();
      if (first < elements) x = b.load(a_, at(k), lanes_, mask.expr() != nullptr ? &mask : nullptr);
      Coding::Codes codes = coding.codes(b.let("x", x), inverse);
      bytes.push_back(codes.bytes);
      if (bias_ != 0) b.set(sums, {0}, b.get(sums, {0}) + codes.whole);
    }
    b.store(codes_, {row, index * kWords + gap}, wordsOfCodes(b, std::move(bytes)));
  };
  int64_t whole = k_ / kCodeGroup, left = gap_ == 0 ? whole : whole / kWords * kWords;
  b.loop("group", 0, left, 1, [&](const Value& index) { group(index, kCodeGroup, 0); });
  for (int64_t zeros = 0; zeros < gap_; zeros += kWords) b.store(codes_, {row, left * kWords + zeros}, i32Const(0, kWords));
  b.loop("group", left, whole, 1, [&](const Value& index) { group(index, kCodeGroup, gap_); });
  if (k_ % kCodeGroup != 0) group(whole, k_ % kCodeGroup, gap_);
  if (bias_ == 0) return;
  Value folded = foldTogether(b, [](const Value& x, const Value& y) { return x + y; }, {b.get(sums, {0})});
  b.store(starts_, {row}, shuffleOf(folded, folded, {0}) * i32Const(-bias_));
}

void ByteRows::phase(const BufferRef& a, const RoundedProduct::PlaceInA& at) {
  a_ = a;
  build_.b.phase(rows_, [&](const Value& row) { codeRow(row, [&](const Value& k) { return at(row, k); }); });
}

ByteWeight::ByteWeight(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                       const Value& panels)
    : b_(build.b), batched_(!op.batchB.empty()), lanes_(static_cast<int>(s.lanes)) {
  packed_ = b_.denseBuffer(name, Scalar::I32, BufferRole::Packed, {batch, panels, ByteRows::wordsOf(op.k.value), s.panelWidth()});
  std::vector<Value> shape = {build.dim({"n", op.n.value})};
  if (batched_) shape.insert(shape.begin(), batch);
  scales_ = b_.denseBuffer(std::string(MatmulOp::kScales), Scalar::F32, BufferRole::In, shape);
}

std::vector<Value> ByteWeight::scales(const Tile& tile) const {
  std::vector<Value> scales;
  for (size_t v = 0; v < tile.vectors.size(); ++v) {
    std::vector<Value> at = {tile.column + static_cast<int64_t>(v) * lanes_};
    if (batched_) at.insert(at.begin(), tile.batch);
    scales.push_back(b_.let("scale", b_.load(scales_, at, lanes_, v + 1 == tile.vectors.size() ? tile.mask : nullptr)));
  }
  return scales;
}

ByteProduct::ByteProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                         const Value& panels)
    : build_(build),
      b_(build.b),
      k_(op.k.value),
      words_(ByteRows::wordsOf(k_)),
      lanes_(static_cast<int>(s.lanes)),
      unroll_(s.unrollK),
      prefetch_(ceilDiv(s.prefetch, 4)),
      dots_(build.b, s.dots == MatmulSchedule::DotsVnni, false, lanes_),
      weight_(build, name, op, s, batch, panels) {}

Value ByteProduct::word(const Tile& tile, size_t vector, const Value& index) const {
  constexpr int64_t kLineWords = 16;
  if (prefetch_ > 0 && static_cast<int64_t>(vector) * lanes_ % kLineWords == 0)
    b_.prefetch(weight_.words(), weight_.at(tile, vector, index + prefetch_));
  return b_.let("word", b_.load(weight_.words(), weight_.at(tile, vector, index), lanes_));
}

void ByteProduct::addWord(const Tile& tile, const RegArray& sums, const Value& index) {
  std::vector<Value> quads;
  for (size_t v = 0; v < tile.vectors.size(); ++v) quads.push_back(dots_.quad(word(tile, v, index)));
  b_.unroll("r", tile.rows, [&](const Value& r) {
    Value codes = b_.let("a", broadcast(rows_->word(tile.row + r, index), lanes_));
    for (size_t v = 0; v < quads.size(); ++v) {
      auto at = static_cast<int64_t>(v);
      b_.set(sums, {r, at}, dots_.dot(b_.get(sums, {r, at}), quads[v], codes));
    }
  });
}

void ByteProduct::scaled(const Tile& tile, const RegArray& sums) {
  auto vectors = static_cast<int64_t>(tile.vectors.size());
  std::vector<Value> scales = weight_.scales(tile);
  b_.unroll("r", tile.rows, [&](const Value& r) {
    Value own = b_.let("own", broadcast(rows_->scale(tile.row + r), lanes_));
    for (int64_t v = 0; v < vectors; ++v) {
      Value sum = unary(LoopOp::ToF32, b_.get(sums, {r, v})), both = own * scales[static_cast<size_t>(v)];
      b_.set(tile.acc, {r, v}, build_.exactMulAdd(sum, both, b_.get(tile.acc, {r, v})));
    }
  });
}

/// Rows of whole numbers with one scale are no type of their own: validate() lets none arrive.
void ByteProduct::given(const Value&, const BufferRef&, const PlaceInA&) { QUERN_CHECK(false); }

void ByteProduct::run(const Tile& tile) {
  auto vectors = static_cast<int64_t>(tile.vectors.size());
  RegArray sums = b_.reg("sums", {static_cast<int>(tile.rows), static_cast<int>(vectors)}, i32Const(0, lanes_));
  if (dots_.bias() != 0)
    b_.unroll("r", tile.rows, [&](const Value& r) {
      Value start = b_.let("start", broadcast(rows_->start(tile.row + r), lanes_));
      b_.unroll("v", vectors, [&](const Value& v) { b_.set(sums, {r, v}, start); });
    });
  int64_t bulk = words_ / unroll_ * unroll_;
  b_.loop("word", 0, bulk, unroll_,
          [&](const Value& index) { b_.unroll("u", unroll_, [&](const Value& u) { addWord(tile, sums, index + u); }); });
  if (bulk < words_) b_.loop("word", bulk, words_, 1, [&](const Value& index) { addWord(tile, sums, index); });
  tile.start();  // only here: C would lie beside the sums all the way
  scaled(tile, sums);
}

}  // namespace quern
