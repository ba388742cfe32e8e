// compiler/loops/ops/CodedRows.cpp — see CodedRows.h.
#include "compiler/loops/ops/CodedRows.h"

#include "compiler/op/BlockValues.h"

#include <limits>
#include <numeric>

namespace quern {

static constexpr int kCoded = 32;  ///< elements of a block
static constexpr float kRound =
    0x1.8p23F;  ///< x + this - this: x to the nearest whole number, ties to even; its bits count from kRoundBits
static constexpr int32_t kRoundBits = 0x4b400000;

CodedRows::CodedRows(OpBuild& build, const Value& rows, const Value& k, int64_t each, int bias, bool sums)
    : build_(build), rows_(rows), k_(k), each_(each), bias_(bias), hasSums_(sums), lanes_(build.target.vectorLanes()) {
  LoopBuilder& b = build.b;
  // Rows of another length than A's: where A's lie a power of two apart, a tile's would share a few cache sets.
  constexpr int64_t kApart = 16;
  codes_ = b.denseBuffer("codes", Scalar::I32, BufferRole::SharedScratch, {rows, k / 4 + kApart});
  scales_ = b.denseBuffer("scales", Scalar::F32, BufferRole::SharedScratch, {rows, k / kCoded + kApart});
  if (sums)
    sums_ = b.denseBuffer(bias == 0 ? "sums" : "starts", bias == 0 ? Scalar::F32 : Scalar::I32, BufferRole::SharedScratch,
                          {rows, k / each + kApart});
}

static Value lanesOf(const Value& x, int first, int count) {
  if (x.lanes() == count) return x;
  std::vector<int> pattern(static_cast<size_t>(count));
  std::iota(pattern.begin(), pattern.end(), first);
  return shuffleOf(x, x, pattern);
}
static Value shifted(const Value& x, int by) { return binary(LoopOp::Shl, x, i32Const(by, x.lanes())); }

Coding::Coding(LoopBuilder& b, const Value& amax)
    : b_(b),
      amax_(amax),
      finite_(b.let("finite", lessThan(amax, f32Const(std::numeric_limits<float>::infinity())))),
      some_(b.let("some", binary(LoopOp::And, finite_, binary(LoopOp::Le, f32Const(CodedBlock::kLeast), amax)))) {}

Value Coding::scale() const {
  Value none = selectOf(finite_, f32Const(0), f32Const(std::numeric_limits<float>::quiet_NaN()));
  return selectOf(some_, amax_ * f32Const(CodedBlock::kPart), none);
}

Value Coding::inverse() const { return b_.let("inverse", selectOf(some_, f32Const(127) / amax_, f32Const(1))); }

/// Where there are no codes all are multiplied by 1 and left out.
Coding::Codes Coding::codes(const Value& x, const Value& inverse) const {
  int lanes = x.lanes();
  Value moved = b_.let("moved", x * broadcast(inverse, lanes) + f32Const(kRound, lanes)), yes = broadcast(some_, lanes);
  Value code = binary(LoopOp::Sub, unary(LoopOp::BitsI32, moved), i32Const(kRoundBits, lanes));
  Value whole = selectOf(yes, code, i32Const(0, lanes));
  return {b_.let("code", binary(LoopOp::And, whole, i32Const(0xff, lanes))), whole,
          selectOf(yes, moved - f32Const(kRound, lanes), f32Const(0, lanes))};
}

Value wordsOfCodes(LoopBuilder& b, std::vector<Value> codes) {
  for (int shift = kCodeGroup, count = kCodeGroup; count > 4; shift /= 2, count /= 2) {
    std::vector<Value> halves;  // the codes of the second half go above those of the first
    if (codes.size() == 1) {
      int half = codes[0].lanes() / 2;
      halves = {binary(LoopOp::Or, lanesOf(codes[0], 0, half), shifted(lanesOf(codes[0], half, half), shift))};
    } else {
      for (size_t i = 0; i < codes.size() / 2; ++i)
        halves.push_back(binary(LoopOp::Or, codes[i], shifted(codes[i + codes.size() / 2], shift)));
    }
    for (Value& half : halves) half = b.let("words", half);
    codes = std::move(halves);
  }
  return codes[0];
}

Value BlockCoder::amaxOf(LoopBuilder& b, const std::vector<Value>& x, std::vector<Value>& vectors) {
  Value most;
  for (const Value& each : x) {
    vectors.push_back(b.let("x", each));
    Value size = unary(LoopOp::Abs, vectors.back());
    most = most.expr() == nullptr ? size : b.let("most", maxOf(most, size));
  }
  return b.let("amax", reduceOf(LoopOp::Max, most));
}

BlockCoder::BlockCoder(OpBuild& build, const std::vector<Value>& x)
    : b_(build.b), lanes_(x[0].lanes()), coding_(b_, amaxOf(b_, x, vectors_)) {}

void BlockCoder::code() {
  Value inverse = coding_.inverse();
  for (const Value& vector : vectors_) {
    Coding::Codes own = coding_.codes(vector, inverse);
    codes_.push_back(own.bytes), inFloat_.push_back(own.inFloat);
  }
}

Value BlockCoder::words(size_t group) const {
  auto each = static_cast<std::ptrdiff_t>(kCodeGroup / lanes_), first = static_cast<std::ptrdiff_t>(group) * each;
  return wordsOfCodes(b_, {codes_.begin() + first, codes_.begin() + first + each});
}

Value BlockCoder::sum(int first, int elements) const {
  auto at = static_cast<size_t>(first / lanes_);
  Value sum = inFloat_[at];
  for (size_t i = at + 1; i < at + static_cast<size_t>(elements / lanes_); ++i) sum = sum + inFloat_[i];
  return b_.let("sum", reduceOf(LoopOp::Add, b_.let("sums", sum)));
}

Value BlockCoder::startOf(const Value& sum, int bias) {
  Value start = sum * f32Const(static_cast<float>(-bias)) + f32Const(kRound);
  return binary(LoopOp::Sub, unary(LoopOp::BitsI32, start), i32Const(kRoundBits));
}

void storeCoded(OpBuild& build, const std::vector<Value>& x, const BufferRef& to, const std::function<std::vector<Value>(int word)>& at) {
  LoopBuilder& b = build.b;
  auto put = [&](int word, const Value& value) { b.store(to, at(word), value); };
  BlockCoder coder(build, x);
  put(CodedWords::kScale, unary(LoopOp::BitsI32, coder.scale()));
  coder.code();
  for (int g = 0; g < kCoded / kCodeGroup; ++g) put(CodedWords::kCodes + 4 * g, coder.words(static_cast<size_t>(g)));
  Value parts[] = {coder.sum(0, kCodeGroup), coder.sum(kCodeGroup, kCodeGroup)};
  Value all = b.let("all", parts[0] + parts[1]);
  put(CodedWords::kMinusSum, unary(LoopOp::BitsI32, unary(LoopOp::Neg, all)));
  for (int bias : {8, 128}) put(CodedWords::sumsFor(bias), BlockCoder::startOf(all, bias));
  for (int part : {0, 1}) put(CodedWords::sumsFor(32) + part, BlockCoder::startOf(parts[part], 32));
  for (int word = CodedWords::sumsFor(32) + 2; word < CodedWords::kCodes; ++word) put(word, i32Const(0));
}

void CodedRows::block(const std::vector<Value>& x, const Value& row, const Value& index) {
  LoopBuilder& b = build_.b;
  BlockCoder coder(build_, x);
  b.store(scales_, {row, index}, coder.scale());
  coder.code();
  for (int64_t g = 0; g < kCoded / kCodeGroup; ++g)
    b.store(codes_, {row, index * (kCoded / 4) + 4 * g}, coder.words(static_cast<size_t>(g)));
  for (int64_t first = 0; hasSums_ && first < kCoded; first += each_) {
    Value all = coder.sum(static_cast<int>(first), static_cast<int>(each_));
    b.store(sums_, {row, index * (kCoded / each_) + first / each_}, bias_ == 0 ? unary(LoopOp::Neg, all) : BlockCoder::startOf(all, bias_));
  }
}

CodedRows::CodedRows(OpBuild& build, const BufferRef& a, PlaceInA at, int64_t each, int bias)
    : build_(build), each_(each), bias_(bias), hasSums_(false), lanes_(0), codes_(a), at_(std::move(at)) {}

/// A word of a block of type q8.
Value CodedRows::given(const Value& row, const Value& block, const Value& word) const {
  return build_.b.load(codes_, at_(row, block * CodedWords::kWords + word), 1);
}

Value CodedRows::word(const Value& row, const Value& block, const Value& index) const {
  return at_ ? given(row, block, index + CodedWords::kCodes) : build_.b.load(codes_, {row, block * (kCoded / 4) + index}, 1);
}
Value CodedRows::scale(const Value& row, const Value& block) const {
  return at_ ? unary(LoopOp::BitsF32, given(row, block, CodedWords::kScale)) : build_.b.load(scales_, {row, block}, 1);
}
Value CodedRows::sum(const Value& row, const Value& block, int64_t part) const {
  if (!at_) return build_.b.load(sums_, {row, block * (kCoded / each_) + part}, 1);
  Value word = given(row, block, CodedWords::sumsFor(bias_) + part);
  return bias_ == 0 ? unary(LoopOp::BitsF32, word) : word;
}

void CodedRows::phase(const BufferRef& a, const PlaceInA& at) {
  LoopBuilder& b = build_.b;
  b.phase(rows_, [&](const Value& row) {
    b.loop("block", 0, k_ / kCoded, 1, [&](const Value& index) {
      std::vector<Value> x;
      for (int first = 0; first < kCoded; first += lanes_) x.push_back(b.load(a, at(row, index * kCoded + first), lanes_));
      block(x, row, index);
    });
  });
}

}  // namespace quern
