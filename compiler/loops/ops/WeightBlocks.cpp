// compiler/loops/ops/WeightBlocks.cpp — blocks of any row of op/BlockFormat.h as f32 vectors: the rest of WeightLoops.h.
#include "compiler/loops/ops/BlockWords.h"
#include "compiler/loops/ops/WeightLoops.h"

#include <utility>

namespace quern {

WeightReader::Scales WeightReader::powers(const Block& block, const Taker& to) {
  Scales all;
  for (size_t v = 0; v < block.vectors.size(); ++v) {
    Value e = b_.let("e", part(block, v, Scalar::U8, 0, 1));
    if (to.each == 1) {
      all.step.push_back(b_.let("d", powerOf(e)));
      continue;
    }
    // Where small numbers are taken for 0 the least two powers must not stand alone.
    Value half = binary(LoopOp::Lshr, e, i32Const(1, lanes_)), rest = binary(LoopOp::Sub, e, half);
    auto power = [&](const Value& x) {
      constexpr int kBias = 63, kFraction = 23;
      Value exponent = binary(LoopOp::Add, x, i32Const(kBias, lanes_));
      return b_.let("d", unary(LoopOp::BitsF32, binary(LoopOp::Shl, exponent, i32Const(kFraction, lanes_))));
    };
    all.step.push_back(power(half)), all.again.push_back(power(rest));
  }
  return all;
}

/// Words that are used up from below, a few bits in each turn of a loop.
class WordsLeft {
public:
  WordsLeft(LoopBuilder& b, const std::vector<Value>& words) : b_(b), count_(words.size()) {
    if (count_ == 0) return;
    left_ = b.reg("left", {static_cast<int>(count_)}, i32Const(0, words[0].lanes()));
    for (size_t v = 0; v < count_; ++v) b.set(left_, {place(v)}, words[v]);
  }
  std::vector<Value> now() const {
    std::vector<Value> all;
    for (size_t v = 0; v < count_; ++v) all.push_back(b_.let("now", b_.get(left_, {place(v)})));
    return all;
  }
  void take(const std::vector<Value>& now, int bits) const {
    for (size_t v = 0; v < now.size(); ++v) b_.set(left_, {place(v)}, binary(LoopOp::Lshr, now[v], i32Const(bits, now[v].lanes())));
  }

private:
  static Value place(size_t v) { return Value(static_cast<int64_t>(v)); }
  LoopBuilder& b_;
  size_t count_;
  RegArray left_;
};

/// 32 of k: words of nibbles, of which each has eight neighbours.
void WeightReader::unit(const Block& block, const Value& at, const Taker& to, const Value& s,
                        const std::function<Scales(const Value& part)>& scales) {
  const BlockFormat& format = blockFormatOf(type_);
  bool inTable = format.table != nullptr && build_.target.isa().tableLookup, direct = format.high == 0 && format.table == nullptr;
  BlockWords quads(b_, format, format.bias != 0 ? QuadForm::Upper : QuadForm::Plain);
  std::array<float, 16> table{};
  for (size_t i = 0; inTable && i < table.size(); ++i) table[i] = static_cast<float>((*format.table)[i]);
  Scales own = scales(s);
  step(to, [&] {
    WordsLeft left(b_, format.high == 1 ? words(block, format.highAt() + s * 4, "high") : std::vector<Value>());
    b_.loop("w", 0, 4, 1, [&](const Value& w) {
      std::vector<Value> word = words(block, format.lowAt() + (s * 4 + w) * 4, "nibbles"), high = left.now();
      std::vector<Value> sides[2];
      for (int side = 0; side < 2 && !direct && !inTable; ++side)
        for (size_t v = 0; v < word.size(); ++v) {
          Value quad = quads.quad(word[v], side, high.empty() ? Value() : high[v], side);
          sides[side].push_back(format.table == nullptr ? quad : quads.looked(quad, 0));
        }
      left.take(high, 2);
      auto code = [&](int i, size_t v) {
        if (direct) return chosen(word[v], 4 * i, 4, 0);
        if (inTable) return lookupOf(i == 0 ? word[v] : binary(LoopOp::Lshr, word[v], i32Const(4 * i, lanes_)), table);
        return unary(LoopOp::ToF32, quads.element(sides[i % 2][v], i / 2));
      };
      eight(block, to, at + s * (32 / to.each) + w * (8 / to.each), [&](int i, size_t v) {
        if (!own.add.empty()) return build_.mulAdd(code(i, v), own.step[v], own.add[v]);
        Value product = code(i, v) * own.step[v];
        return own.again.empty() ? product : product * own.again[v];
      });
    });
  });
}

/// 32 of k: words of pairs of bits, of which each has sixteen neighbours with a scale of their own.
void WeightReader::unitOfPairs(const Block& block, const Value& at, const Taker& to, const Value& s,
                               const std::function<Scales(const Value& part)>& scales) {
  const BlockFormat& format = blockFormatOf(type_);
  BlockWords quads(b_, format, format.bias != 0 ? QuadForm::Upper : QuadForm::Plain);
  step(to, [&] {
    WordsLeft left(b_, format.high == 1 ? words(block, format.highAt() + s * 4, "high") : std::vector<Value>());
    b_.loop("half", 0, 2, 1, [&](const Value& half) {
      Value part = b_.let("part", s * 2 + half);
      Scales own = scales(part);
      WordsLeft pairs(b_, words(block, format.lowAt() + part * 4, "pairs"));
      b_.loop("w", 0, 2, 1, [&](const Value& w) {
        std::vector<Value> word = pairs.now(), high = left.now(), sides[2];
        for (int side = 0; side < 2; ++side)
          for (size_t v = 0; v < word.size(); ++v) sides[side].push_back(quads.quad(word[v], side, high.empty() ? Value() : high[v], side));
        pairs.take(word, 4), left.take(high, 2);
        eight(block, to, at + part * (16 / to.each) + w * (8 / to.each), [&](int i, size_t v) {
          Value code = unary(LoopOp::ToF32, quads.element(sides[i % 2][v], i / 2));
          return own.add.empty() ? code * own.step[v] : build_.mulAdd(code, own.step[v], own.add[v]);
        });
      });
    });
  });
}

void WeightReader::parts(const Block& block, const Value& at, const Taker& to) {
  const BlockFormat& format = blockFormatOf(type_);
  Scales powers = format.power ? this->powers(block, to) : Scales();
  std::vector<Value> d = format.power ? powers.step : halves(block, to, 0, "d"), m;
  if (format.minima != Minima::None) m = halves(block, to, 2, format.minima == Minima::Added ? "m" : "dmin");
  auto byte = [&](size_t v, Scalar stored, const Value& part) {
    return b_.let("bytes", this->part(block, v, stored, format.headBytes() + part, 1));
  };
  std::function<Scales(const Value&)> scales;
  switch (format.scales) {
    case SubScales::None: scales = [&](const Value&) { return Scales{d, m, powers.again}; }; break;
    case SubScales::Signed:
      scales = [&](const Value& part) {
        Scales all;
        for (size_t v = 0; v < d.size(); ++v) all.step.push_back(b_.let("step", unary(LoopOp::ToF32, byte(v, Scalar::I8, part)) * d[v]));
        return all;
      };
      break;
    case SubScales::Nibbles:
      scales = [&](const Value& part) {
        Scales all;
        for (size_t v = 0; v < d.size(); ++v) {
          Value both = byte(v, Scalar::U8, part), scale = binary(LoopOp::And, both, i32Const(15, lanes_));
          Value least = unary(LoopOp::ToF32, binary(LoopOp::Lshr, both, i32Const(4, lanes_))) * m[v];
          all.step.push_back(b_.let("step", unary(LoopOp::ToF32, scale) * d[v]));
          all.add.push_back(b_.let("add", unary(LoopOp::Neg, least)));
        }
        return all;
      };
      break;
    case SubScales::SixBits:
      for (int half = 0; half < 2; ++half)
        b_.loop("s", 4 * half, 4 * half + 4, 1,
                [&](const Value& s) { unit(block, at, to, s, [&](const Value& part) { return scalesOfSix(block, half, part, d, m); }); });
      return;
  }
  auto one = [&](const Value& s) { format.low == 2 ? unitOfPairs(block, at, to, s, scales) : unit(block, at, to, s, scales); };
  int64_t units = formatOf(type_).block / 32;
  units == 1 ? one(0) : b_.loop("s", 0, units, 1, one);
}

}  // namespace quern
