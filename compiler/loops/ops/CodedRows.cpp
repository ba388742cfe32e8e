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

void CodedRows::block(const std::vector<Value>& x, const Value& row, const Value& index) {
  LoopBuilder& b = build_.b;
  std::vector<Value> vectors;
  Value most;
  for (const Value& each : x) {
    vectors.push_back(b.let("x", each));
    Value size = unary(LoopOp::Abs, vectors.back());
    most = most.expr() == nullptr ? size : b.let("most", maxOf(most, size));
  }
  Coding coding(b, b.let("amax", reduceOf(LoopOp::Max, most)));
  b.store(scales_, {row, index}, coding.scale());
  Value inverse = coding.inverse();
  std::vector<Value> codes, sums;
  for (const Value& vector : vectors) {
    Coding::Codes own = coding.codes(vector, inverse);
    codes.push_back(own.bytes), sums.push_back(own.inFloat);
  }
  size_t perGroup = static_cast<size_t>(kCodeGroup / lanes_), groups = kCoded / kCodeGroup;
  for (size_t g = 0; g < groups; ++g) {
    std::vector<Value> own(codes.begin() + static_cast<std::ptrdiff_t>(g * perGroup),
                           codes.begin() + static_cast<std::ptrdiff_t>((g + 1) * perGroup));
    b.store(codes_, {row, index * (kCoded / 4) + static_cast<int64_t>(4 * g)}, wordsOfCodes(b, std::move(own)));
  }
  auto perSum = static_cast<size_t>(each_ / lanes_);
  for (size_t first = 0; hasSums_ && first < sums.size(); first += perSum) {
    Value sum = sums[first];
    for (size_t i = first + 1; i < first + perSum; ++i) sum = sum + sums[i];
    Value all = b.let("sum", reduceOf(LoopOp::Add, b.let("sums", sum)));
    Value start = all * f32Const(static_cast<float>(-bias_)) + f32Const(kRound);
    b.store(sums_, {row, index * (kCoded / each_) + static_cast<int64_t>(first / perSum)},
            bias_ == 0 ? unary(LoopOp::Neg, all) : binary(LoopOp::Sub, unary(LoopOp::BitsI32, start), i32Const(kRoundBits)));
  }
}

void CodedRows::phase(const BufferRef& a, const std::function<std::vector<Value>(const Value& row, const Value& k)>& at) {
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
