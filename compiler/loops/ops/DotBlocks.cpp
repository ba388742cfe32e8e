// compiler/loops/ops/DotBlocks.cpp — dots of blocks of any row of op/BlockFormat.h: the rest of DotLoops.h.
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/ops/DotLoops.h"

namespace quern {

/// 32 codes in four words of nibbles: quads 0 to 3 in the low ones, 4 to 7 in the high ones. Eight dots of 15 times 127, twice, are below
/// 2^15, of 31 they are not.
DotProduct::Part DotProduct::words(const At& at, const Value& s) {
  const BlockFormat& format = blockFormatOf(type_);
  constexpr int kMostInHalves = 15;
  Value high = format.high == 1 ? word(at, format.highAt() + s * 4) : Value();
  RegArray left;
  bool atOnce = dots_.vnni() || !build_.target.isa().shortDots;  // as sumsOfWords has it: else words come in turns of a loop
  if (format.high == 1 && !atOnce) {
    left = b_.reg("left", {1}, i32Const(0, lanes_));
    b_.set(left, {0}, high);
  }
  auto quads = [this, at, s, &format, high, left, atOnce](const Value& step) {
    BlockWords words(b_, format, QuadForm::Plain);
    Value nibbles = word(at, format.lowAt() + s * 16 + step * 4), bits = high;
    if (format.high == 1 && !atOnce) {
      bits = b_.let("now", b_.get(left, {0}));
      b_.set(left, {0}, binary(LoopOp::Lshr, bits, i32Const(1, lanes_)));
    }
    int first = format.high == 1 && atOnce ? static_cast<int>(*step.constant()) : 0;
    Quads both = {words.quad(nibbles, 0, bits, first), words.quad(nibbles, 1, bits, 4 + first)};
    if (format.table != nullptr)
      for (Value& each : both) each = words.looked(each, bias());
    return both;
  };
  Value block = at.block * (formatOf(type_).block / 32) + s;
  bool inHalves = format.smallBytes() && format.table == nullptr && (1 << (format.low + format.high)) - 1 <= kMostInHalves;
  Part part{block, 4, 2, quads, [](const Value& step, int64_t quad) { return step + 4 * quad; }, {}, inHalves};
  if (bias() != 0) part.start = [this, block](const Value& row) { return start(row, block); };
  return part;
}

void DotProduct::unit(const At& at, const Value& s, const Scales& scales) {
  RowSum sum = sumsOfWords(at, words(at, s));
  Value block = at.block * (formatOf(type_).block / 32) + s;
  eachRow(at, [&](const Value& r, const Value& row, const Value& acc) {
    Value dot = unary(LoopOp::ToF32, sum(r, row));
    Value own = b_.let("scales", broadcast(codes_->scale(row, block), lanes_));
    Value product = build_.exactMulAdd(dot, own * scales.step, acc);
    if (scales.least.expr() == nullptr) return product;
    return build_.exactMulAdd(broadcast(codes_->sum(row, block), lanes_), own * scales.least, b_.let("product", product));
  });
}

/// Sixteen codes of a word of pairs of bits; `high`: of all 32.
DotProduct::Part DotProduct::pairs(const At& at, const Value& s, int half, const Value& high) {
  const BlockFormat& format = blockFormatOf(type_);
  auto quads = [this, at, s, half, &format, high](const Value&) {
    BlockWords words(b_, format, QuadForm::Plain);
    Value four = word(at, format.lowAt() + s * 8 + 4 * half);
    Quads all;
    for (int q = 0; q < 4; ++q) all.push_back(words.quad(four, q, high, 4 * half + q));
    return all;
  };
  Value block = at.block * 8 + s;
  Part part{block, 1, 4, quads, [half](const Value&, int64_t quad) { return Value(4 * half + quad); }, {}, true};
  if (format.bias != 0) part.start = [this, block, half](const Value& row) { return start(row, block, half); };
  return part;
}

void DotProduct::unitOfPairs(const At& at, const Value& s, const Value& d, const Value& dmin) {
  const BlockFormat& format = blockFormatOf(type_);
  Value high = format.high == 1 ? word(at, format.highAt() + s * 4) : Value(), scale[2], least[2];
  RowSum dots[2];
  bool nibbles = format.scales == SubScales::Nibbles;
  for (int h = 0; h < 2; ++h) dots[h] = sumsOfWords(at, pairs(at, s, h, high));
  for (int h = 0; h < 2; ++h) {
    Value byte = b_.let("scale", part(at, nibbles ? Scalar::U8 : Scalar::I8, format.headBytes() + s * 2 + h, 1));
    scale[h] = nibbles ? b_.let("low", binary(LoopOp::And, byte, i32Const(15, lanes_))) : byte;
    if (nibbles) least[h] = b_.let("least", binary(LoopOp::Lshr, byte, i32Const(4, lanes_)));
  }
  Value block = at.block * 8 + s;
  eachRow(at, [&](const Value& r, const Value& row, const Value& acc) {
    Value first = dots[0](r, row) * scale[0], both = b_.let("both", first + dots[1](r, row) * scale[1]);
    Value own = b_.let("scales", broadcast(codes_->scale(row, block), lanes_));
    Value product = build_.exactMulAdd(unary(LoopOp::ToF32, both), own * d, acc);
    if (!nibbles) return product;
    // Sums arrive times -kSumsBias: whole numbers below 2^24, of which a part by a power of two is exact.
    Value minima = b_.let("minima", start(row, block, 0) * least[0] + start(row, block, 1) * least[1]);
    Value less = unary(LoopOp::ToF32, minima) * f32Const(1.0F / kSumsBias, lanes_);
    return build_.exactMulAdd(less, own * dmin, b_.let("product", product));
  });
}

void DotProduct::parts(const At& at) {
  const BlockFormat& format = blockFormatOf(type_);
  Value d = format.power ? b_.let("d", powerOf(b_.let("e", part(at, Scalar::U8, 0, 1)))) : half(at, 0, "d"), m;
  if (format.minima == Minima::Subtracted) m = half(at, 2, "dmin");
  if (format.minima == Minima::Added) m = b_.let("less", unary(LoopOp::Neg, half(at, 2, "m")));
  if (format.scales == SubScales::SixBits) {
    for (int side = 0; side < 2; ++side)
      b_.loop("s", 4 * side, 4 * side + 4, 1, [&](const Value& s) {
        auto [scale, minimum] = sixBits(at, side, s);
        Value step = b_.let("step", unary(LoopOp::ToF32, scale) * d), least = b_.let("least", unary(LoopOp::ToF32, minimum) * m);
        unit(at, s, {step, least});
      });
    return;
  }
  auto one = [&](const Value& s) {
    if (format.low == 2) return unitOfPairs(at, s, d, m);
    if (format.scales == SubScales::None) return unit(at, s, {d, m});
    Value scale = b_.let("scale", part(at, Scalar::I8, format.headBytes() + s, 1));
    unit(at, s, {b_.let("step", unary(LoopOp::ToF32, scale) * d), Value()});
  };
  int64_t units = formatOf(type_).block / 32;
  units == 1 ? one(0) : b_.loop("s", 0, units, 1, one);
}

}  // namespace quern
