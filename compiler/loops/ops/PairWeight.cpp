// compiler/loops/ops/PairWeight.cpp — see PairWeight.h.
#include "compiler/loops/ops/PairWeight.h"

#include "compiler/base/Checked.h"
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/build/PairWords.h"

#include <algorithm>

namespace quern {

namespace {

constexpr auto kHigh = static_cast<int32_t>(0xffff0000);

Value each(LoopOp op, const Value& x, int32_t constant) { return binary(op, x, i32Const(constant, x.lanes())); }

/// hi and lo of a half: what is taken away from the last bit of its f32 goes through all zeros behind the eighth. Zeros are found by the
/// half's own bits: LLVM would compare numbers instead, and halves one by one.
std::vector<Value> nextBelow(OpBuild& build, const Value& half) {
  constexpr int32_t kHalfSize = 0x7fff;  // all bits but the sign
  LoopBuilder& b = build.b;
  Value x = b.let("b", floatOfHalf(build, half)), bits = b.let("bits", unary(LoopOp::BitsI32, x));
  Value none = binary(LoopOp::Eq, each(LoopOp::And, half, kHalfSize), i32Const(0, x.lanes()));
  Value high = b.let("hi", unary(LoopOp::BitsF32, each(LoopOp::And, selectOf(none, bits, each(LoopOp::Sub, bits, 1)), kHigh)));
  return {high, b.let("lo", x - high)};
}

}  // namespace

std::vector<Value> threeHighs(LoopBuilder& b, const Value& x) {
  constexpr int32_t kAll = 0x7fffffff, kInf = 0x7f800000, kMost = 0x7f7f0000, kHalf = 0x7fff, kOne = 0x3f800000;
  constexpr auto kSign = static_cast<int32_t>(0x80000000);
  int lanes = x.lanes();
  auto less = [&](const Value& from, const Value& piece) {
    Value negative = unary(LoopOp::Neg, unary(LoopOp::BitsF32, piece));
    return b.let("rest", binary(LoopOp::AddFlushed, from, negative));
  };
  Value whole = b.let("x", binary(LoopOp::AddFlushed, x, f32Const(0, lanes))), bits = b.let("bits", unary(LoopOp::BitsI32, whole));
  Value size = b.let("size", each(LoopOp::And, bits, kAll)), sign = b.let("sign", each(LoopOp::And, bits, kSign));
  Value finite = b.let("finite", binary(LoopOp::Lt, size, i32Const(kInf, lanes)));
  Value odd = each(LoopOp::And, each(LoopOp::Lshr, size, 16), 1);
  Value near = b.let("near", each(LoopOp::And, binary(LoopOp::Add, each(LoopOp::Add, size, kHalf), odd), kHigh));
  Value most = selectOf(each(LoopOp::Lt, near, kMost), near, i32Const(kMost, lanes));
  Value first = b.let("first", binary(LoopOp::Or, selectOf(finite, most, i32Const(kOne, lanes)), sign));
  Value rest = less(whole, first);
  Value second = b.let("second", selectOf(finite, each(LoopOp::And, roundedHigh(b, rest), kHigh), i32Const(0, lanes)));
  return {first, second, b.let("third", roundedHigh(b, less(rest, second)))};
}

PairWeight::PairWeight(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                       const Value& panels)
    : build_(build),
      b_(build.b),
      splits_(op.splitsWeight()),
      scratch_(s.convert == MatmulSchedule::ConvertScratch),
      k_(op.k.value),
      pieces_(op.piecesOfB()),
      lanes_(static_cast<int>(s.lanes)),
      prefetch_(ceilDiv(s.prefetch, 2)) {
  if (splits_) packed_ = b_.denseBuffer(name, Scalar::F16, BufferRole::Packed, {batch, panels, k_, s.panelWidth()});
  else packed_ = b_.denseBuffer(name, Scalar::I32, BufferRole::Packed, {batch, panels, ceilDiv(k_, 2), pieces_, s.panelWidth()});
  if (scratch_)
    converted_ = b_.denseBuffer("pieces", Scalar::I32, BufferRole::ThreadScratch, {ceilDiv(std::min(s.kc, k_), 2), pieces_, s.nr});
}

/// Asks for the line that a later row of packed elements has where this one has a vector's.
void PairWeight::ahead(const Place& at, size_t vector, std::vector<Value> row, int64_t bytesEach) const {
  constexpr int64_t kLine = 64;
  if (prefetch_ == 0 || static_cast<int64_t>(vector) * lanes_ * bytesEach % kLine != 0) return;
  const WeightColumns& columns = at.vectors[vector];
  row.insert(row.begin(), {at.batch, columns.panel});
  row.push_back(columns.column);
  b_.prefetch(packed_, row);
}

/// Row k as it is packed; zeros beyond the last.
Value PairWeight::halves(const Place& at, size_t vector, const Value& k) const {
  const WeightColumns& columns = at.vectors[vector];
  ahead(at, vector, {k + 2 * prefetch_}, 2);
  Value row = k_ % 2 == 0 ? k : minOf(k, k_ - 1);
  Value bits = b_.load(packed_, {at.batch, columns.panel, row, columns.column}, lanes_);
  if (k_ % 2 != 0) bits = selectOf(broadcast(lessThan(k, k_), lanes_), bits, i32Const(0, lanes_));
  return b_.let("half", bits);
}

std::vector<Value> PairWeight::split(const Place& at, size_t vector, const Value& pair) const {
  std::vector<Value> first = nextBelow(build_, halves(at, vector, pair * 2)), second = nextBelow(build_, halves(at, vector, pair * 2 + 1)),
                     words;
  for (size_t piece = 0; piece < first.size(); ++piece)
    words.push_back(b_.let("pair", wordOf(unary(LoopOp::BitsI32, first[piece]), unary(LoopOp::BitsI32, second[piece]))));
  return words;
}

std::vector<Value> PairWeight::words(const Place& at, size_t vector, const Value& pair) const {
  if (splitsInRegisters()) return split(at, vector, pair);
  const WeightColumns& columns = at.vectors[vector];
  std::vector<Value> words;
  for (int64_t piece = 0; piece < pieces_; ++piece) {
    if (!scratch_) ahead(at, vector, {pair + prefetch_, piece}, 4);
    Value word = scratch_ ? b_.load(converted_, {pair - at.k0 / 2, piece, static_cast<int64_t>(vector) * lanes_}, lanes_)
                          : b_.load(packed_, {at.batch, columns.panel, pair, piece, columns.column}, lanes_);
    words.push_back(b_.let("b", word));
  }
  return words;
}

void PairWeight::convert(const Place& at, const Value& k1) {
  Value first = at.k0 / 2;
  b_.loop("pair", first, ceilDivOf(k1, 2), 1, [&](const Value& pair) {
    for (size_t v = 0; v < at.vectors.size(); ++v) {
      std::vector<Value> words = split(at, v, pair);
      for (size_t piece = 0; piece < words.size(); ++piece)
        b_.store(converted_, {pair - first, static_cast<int64_t>(piece), static_cast<int64_t>(v) * lanes_}, words[piece]);
    }
  });
}

}  // namespace quern
