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
      panel_(s.panelWidth()),
      width_(s.nr),
      lanes_(static_cast<int>(s.lanes)),
      prefetch_(ceilDiv(s.prefetch, 2)) {
  if (op.roundsWeight()) blocks_.emplace(build, name, op.w, batch, panels, Value(k_), s);
  else if (splits_) packed_ = b_.denseBuffer(name, Scalar::F16, BufferRole::Packed, {batch, panels, k_, s.panelWidth()});
  else packed_ = b_.denseBuffer(name, Scalar::I32, BufferRole::Packed, {batch, panels, ceilDiv(k_, 2), pieces_ * panel_});
  if (scratch_)
    converted_ = b_.denseBuffer("pieces", Scalar::I32, BufferRole::ThreadScratch, {ceilDiv(std::min(s.kc, k_), 2), pieces_ * width_});
}

std::vector<Value> PairWeight::packedAt(const Place& at, size_t vector, const Value& row, int64_t piece) const {
  const WeightColumns& columns = at.vectors[vector];
  return {at.batch, columns.panel, row, columns.column + piece * panel_};
}

/// Asks for the line that a later row of packed elements has where this one has a vector's.
void PairWeight::ahead(const Place& at, size_t vector, const Value& row, int64_t piece, int64_t bytesEach) const {
  constexpr int64_t kLine = 64;
  if (prefetch_ > 0 && static_cast<int64_t>(vector) * lanes_ * bytesEach % kLine == 0)
    b_.prefetch(packed_, packedAt(at, vector, row, piece));
}

/// Row k as it is packed; zeros beyond the last.
Value PairWeight::halves(const Place& at, size_t vector, const Value& k) const {
  ahead(at, vector, k + 2 * prefetch_, 0, 2);
  Value row = k_ % 2 == 0 ? k : minOf(k, k_ - 1);
  Value bits = b_.load(packed_, packedAt(at, vector, row), lanes_);
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
  std::vector<Value> words;
  for (int64_t piece = 0; piece < pieces_; ++piece) {
    if (!scratch_) ahead(at, vector, pair + prefetch_, piece, 4);
    auto [buffer, place] = held(at, vector, piece, pair);
    words.push_back(b_.let("b", b_.load(buffer, place, lanes_)));
  }
  return words;
}

std::pair<BufferRef, std::vector<Value>> PairWeight::held(const Place& at, size_t vector, int64_t piece, const Value& pair) const {
  if (!scratch_) return {packed_, packedAt(at, vector, pair, piece)};
  return {converted_, {pair - at.k0 / 2, piece * width_ + static_cast<int64_t>(vector) * lanes_}};
}

void PairWeight::forPairs(const Place& at, const Value& k1, const std::function<void(const Value&, const std::vector<Value>&)>& body,
                          const std::function<void(const std::function<void()>&)>& step) {
  auto words = [&](const Value& pair, const std::vector<Value>& even, const std::vector<Value>& odd) {
    std::vector<Value> all;
    for (size_t v = 0; v < even.size(); ++v) {
      Value low = plainlyRoundedHigh(b_, even[v]), high = plainlyRoundedHigh(b_, odd[v]);
      all.push_back(b_.let("b", wordOf(low, high)));
    }
    body(pair, all);
  };
  blocks_->forPairs(at.batch, at.vectors, at.k0, k1, {words, step});
}

void PairWeight::convert(const Place& at, const Value& k1) {
  if (blocks_)
    return b_.flushed([&] {
      forPairs(at, k1, [&](const Value& pair, const std::vector<Value>& words) {
        for (size_t v = 0; v < words.size(); ++v) {
          auto [buffer, place] = held(at, v, 0, pair);
          b_.store(buffer, place, words[v]);
        }
      });
    });
  b_.loop("pair", at.k0 / 2, ceilDivOf(k1, 2), 1, [&](const Value& pair) {
    for (size_t v = 0; v < at.vectors.size(); ++v) {
      std::vector<Value> words = split(at, v, pair);
      for (size_t piece = 0; piece < words.size(); ++piece) {
        auto [buffer, place] = held(at, v, static_cast<int64_t>(piece), pair);
        b_.store(buffer, place, words[piece]);
      }
    }
  });
}

}  // namespace quern
