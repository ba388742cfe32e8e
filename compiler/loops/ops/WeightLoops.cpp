// compiler/loops/ops/WeightLoops.cpp — see WeightLoops.h. Every value is exactly the f32 of op/ElementType.h: scale times a small whole
// number, both exact, so that a product with it has the bits of a product with the weight in f32.
#include "compiler/loops/ops/WeightLoops.h"

#include "compiler/base/Checked.h"
#include "compiler/loops/build/Halves.h"

#include <array>

namespace quern {

namespace {

Value bitsOf(const Value& word, int shift, int bits) {
  Value moved = shift == 0 ? word : binary(LoopOp::Lshr, word, i32Const(shift, word.lanes()));
  return binary(LoopOp::And, moved, i32Const((1 << bits) - 1, word.lanes()));
}

Value joined(const Value& low, const Value& high, int shift) {
  return binary(LoopOp::Or, low, binary(LoopOp::Shl, high, i32Const(shift, high.lanes())));
}

/// Of NaN the one with the quiet bit alone, which stays NaN when a bit is added behind those of bf16.
Value withPlainNan(LoopBuilder& b, const Value& x) {
  constexpr int32_t kAll = 0x7fffffff, kInf = 0x7f800000, kNan = 0x7fc00000;
  Value bits = b.let("bits", unary(LoopOp::BitsI32, x));
  Value number = binary(LoopOp::Le, binary(LoopOp::And, bits, i32Const(kAll, x.lanes())), i32Const(kInf, x.lanes()));
  return unary(LoopOp::BitsF32, selectOf(number, bits, i32Const(kNan, x.lanes())));
}

}  // namespace

WeightReader::WeightReader(OpBuild& build, const std::string& name, ElementType type, const Value& batch, const Value& panels,
                           const Value& k, const MatmulSchedule& s)
    : build_(build),
      b_(build.b),
      type_(type),
      panel_(s.panelWidth()),
      lanes_(static_cast<int>(s.lanes)),
      unroll_(s.unrollK),
      prefetch_(ceilDiv(s.prefetch, formatOf(type).block)) {
  const ElementFormat& format = formatOf(type);
  packed_ =
      b_.denseBuffer(name, Scalar::U8, BufferRole::Packed, {batch, panels, k / format.block, panel_ * packedBytesOf(type, format.block)});
}

/// `vector`'s columns of a part of the block that begins `offset` bytes per column into it and has `bytesEach` per column.
Value WeightReader::part(const Block& block, size_t vector, Scalar stored, const Value& offset, int64_t bytesEach) const {
  const WeightColumns& at = block.vectors[vector];
  const Value index[] = {block.batch, at.panel, block.index, offset * panel_ + at.column * bytesEach};
  return b_.loadAs(stored, packed_, index, lanes_);
}

/// Asks for the line that a later block has where this one has a vector's part; vectors of few bytes share lines.
void WeightReader::ahead(const Block& block, size_t vector, const Value& offset, int64_t bytesEach) {
  const WeightColumns& at = block.vectors[vector];
  constexpr int64_t kLine = 64;
  if (prefetch_ == 0 || static_cast<int64_t>(vector) * lanes_ * bytesEach % kLine != 0) return;
  const Value index[] = {block.batch, at.panel, block.index + prefetch_, offset * panel_ + at.column * bytesEach};
  b_.prefetch(packed_, index);
}

std::vector<Value> WeightReader::halves(const Block& block, const Taker& to, int64_t offset, const char* name) {
  std::vector<Value> all;
  for (size_t v = 0; v < block.vectors.size(); ++v) {
    Value half = floatOfHalf(build_, part(block, v, Scalar::U16, offset, 2));
    all.push_back(b_.let(name, to.each == 1 ? half : withPlainNan(b_, half)));
  }
  return all;
}

std::vector<Value> WeightReader::words(const Block& block, const Value& offset, const char* name) {
  std::vector<Value> all;
  for (size_t v = 0; v < block.vectors.size(); ++v) {
    ahead(block, v, offset, 4);
    all.push_back(b_.let(name, part(block, v, Scalar::I32, offset, 4)));
  }
  return all;
}

/// A table of sixteen does it in one look-up where that is one instruction, which takes the index modulo 16 by itself; pairs of bits
/// repeat in it.
Value WeightReader::chosen(const Value& word, int shift, int bits, float first) {
  int steps = bits == 4 ? 1 : 16;  // pairs of bits count in sixteens
  if (!build_.target.isa().tableLookup) {
    Value count = unary(LoopOp::ToF32,
                        bits == 4 ? bitsOf(word, shift, bits) : binary(LoopOp::Shl, bitsOf(word, shift, bits), i32Const(4, word.lanes())));
    return first == 0 ? count : count + f32Const(first, word.lanes());
  }
  std::array<float, 16> table{};
  for (int i = 0; i < 16; ++i) table[static_cast<size_t>(i)] = first + static_cast<float>((i % (1 << bits)) * steps);
  return lookupOf(shift == 0 ? word : binary(LoopOp::Lshr, word, i32Const(shift, word.lanes())), table);
}

void WeightReader::forDepth(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1,
                            const Body& body) {
  if (!isQuantised(type_)) return plain({batch, {}, vectors}, k0, k1, body);
  blocks(batch, vectors, k0, k1, {1, [&](const Value& k, const std::vector<std::vector<Value>>& values) { body(k, values[0]); }, {}});
}

void WeightReader::forPairs(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1,
                            const Pairs& pairs) {
  auto take = [&](const Value& pair, const std::vector<std::vector<Value>>& values) { pairs.body(pair, values[0], values[1]); };
  blocks(batch, vectors, k0, k1, {2, take, pairs.step});
}

void WeightReader::blocks(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1, const Taker& to) {
  int64_t depth = formatOf(type_).block;
  b_.loop("block", k0 / depth, k1 / depth, 1, [&](const Value& index) {
    Block block{batch, index, vectors};
    Value at = b_.let(to.each == 1 ? "k" : "pair", index * (depth / to.each));
    switch (type_) {
      case ElementType::Q8_0: return q8_0(block, at, to);
      case ElementType::Q4_0: return q4_0(block, at, to);
      case ElementType::Q4_K: return q4_K(block, at, to);
      case ElementType::Q6_K: return q6_K(block, at, to);
      default: return parts(block, at, to);
    }
  });
}

void WeightReader::eight(const Block& block, const Taker& to, const Value& at, const std::function<Value(int, size_t)>& value) {
  for (int i = 0; i < 8; i += to.each) {
    std::vector<std::vector<Value>> values(static_cast<size_t>(to.each));
    for (int e = 0; e < to.each; ++e)
      for (size_t v = 0; v < block.vectors.size(); ++v) values[static_cast<size_t>(e)].push_back(b_.let("b", value(i + e, v)));
    to.take(at + i / to.each, values);
  }
}

void WeightReader::plain(const Block& block, const Value& k0, const Value& k1, const Body& body) {
  auto step = [&](const Value& k) {
    Block at{block.batch, k, block.vectors};
    std::vector<Value> values;
    for (size_t v = 0; v < block.vectors.size(); ++v) {
      ahead(at, v, 0, 2);
      Value bits = part(at, v, Scalar::U16, 0, 2);
      values.push_back(b_.let("b", type_ == ElementType::F16 ? floatOfHalf(build_, bits) : floatOfBfloat(bits)));
    }
    body(k, values);
  };
  Value bulk = unroll_ == 1 ? k1 : b_.let("k_bulk", k0 + (k1 - k0) / unroll_ * unroll_);
  b_.loop("k", k0, bulk, unroll_, [&](const Value& k) { b_.unroll("u", unroll_, [&](const Value& u) { step(k + u); }); });
  if (unroll_ > 1) b_.loop("k", bulk, k1, 1, step);
}

void WeightReader::q8_0(const Block& block, const Value& at, const Taker& to) {
  std::vector<Value> d = halves(block, to, 0, "d");
  int64_t each = to.each, unroll = unroll_;
  while (32 / each % unroll != 0) --unroll;
  step(to, [&] {
    b_.loop("i", 0, 32 / each, unroll, [&](const Value& i) {
      b_.unroll("u", unroll, [&](const Value& u) {
        std::vector<std::vector<Value>> values(static_cast<size_t>(each));
        for (int64_t e = 0; e < each; ++e)
          for (size_t v = 0; v < d.size(); ++v) {
            Value byte = 2 + i * each + u * each + e;
            ahead(block, v, byte, 1);
            values[static_cast<size_t>(e)].push_back(b_.let("b", unary(LoopOp::ToF32, part(block, v, Scalar::I8, byte, 1)) * d[v]));
          }
        to.take(at + i + u, values);
      });
    });
  });
}

void WeightReader::q4_0(const Block& block, const Value& at, const Taker& to) {
  std::vector<Value> d = halves(block, to, 0, "d");
  step(to, [&] {
    b_.loop("w", 0, 4, 1, [&](const Value& w) {
      std::vector<Value> word = words(block, 2 + w * 4, "nibbles");
      eight(block, to, at + w * (8 / to.each), [&](int i, size_t v) { return chosen(word[v], 4 * i, 4, -8) * d[v]; });
    });
  });
}

WeightReader::Scales WeightReader::scalesOfSix(const Block& block, int half, const Value& s, const std::vector<Value>& d,
                                               const std::vector<Value>& dmin) {
  auto bytes = [&](size_t v, const Value& j) { return b_.let("bytes", part(block, v, Scalar::U8, 4 + j, 1)); };
  Scales all;
  for (size_t v = 0; v < d.size(); ++v) {
    Value own = bytes(v, half == 0 ? s : s + 4), other = bytes(v, half == 0 ? s + 4 : s);
    Value scale = half == 0 ? bitsOf(own, 0, 6) : joined(bitsOf(own, 0, 4), bitsOf(bytes(v, s - 4), 6, 2), 4);
    Value minimum = half == 0 ? bitsOf(other, 0, 6) : joined(bitsOf(own, 4, 4), bitsOf(other, 6, 2), 4);
    all.step.push_back(b_.let("step", unary(LoopOp::ToF32, scale) * d[v]));
    all.add.push_back(unary(LoopOp::Neg, b_.let("least", unary(LoopOp::ToF32, minimum) * dmin[v])));
  }
  return all;
}

void WeightReader::q4_K(const Block& block, const Value& at, const Taker& to) {
  std::vector<Value> d = halves(block, to, 0, "d"), dmin = halves(block, to, 2, "dmin");
  for (int half = 0; half < 2; ++half)  // sub-blocks 0 to 3, and 4 to 7: their six bits lie differently
    b_.loop("s", 4 * half, 4 * half + 4, 1, [&](const Value& s) {
      Scales scales = scalesOfSix(block, half, s, d, dmin);
      step(to, [&] {
        b_.loop("w", 0, 4, 1, [&](const Value& w) {
          std::vector<Value> word = words(block, 16 + (s * 4 + w) * 4, "nibbles");
          eight(block, to, at + s * (32 / to.each) + w * (8 / to.each),
                [&](int i, size_t v) { return build_.mulAdd(chosen(word[v], 4 * i, 4, 0), scales.step[v], scales.add[v]); });
        });
      });
    });
}

void WeightReader::q6_K(const Block& block, const Value& at, const Taker& to) {
  std::vector<Value> d = halves(block, to, 0, "d");
  auto sixteen = [&](const Value& s) {
    std::vector<Value> scales;
    for (size_t v = 0; v < d.size(); ++v)
      scales.push_back(b_.let("step", unary(LoopOp::ToF32, part(block, v, Scalar::I8, 2 + s, 1)) * d[v]));
    std::vector<Value> high = words(block, 18 + 128 + s * 4, "high");
    auto eightOf = [&](const Value& half, int shift) {
      std::vector<Value> low = words(block, 18 + (s * 2 + half) * 4, "low");
      eight(block, to, at + s * (16 / to.each) + half * (8 / to.each), [&](int i, size_t v) {
        Value whole = chosen(low[v], 4 * i, 4, 0) + chosen(high[v], shift + 2 * i, 2, -32);
        return whole * scales[v];
      });
    };
    if (to.each == 1) {
      for (int half = 0; half < 2; ++half) eightOf(half, 16 * half);
      return;
    }
    // Sixteen of k written out in pairs spill whatever the tile.
    RegArray left = b_.reg("left", {static_cast<int>(high.size())}, i32Const(0, lanes_));
    auto place = [](size_t v) { return Value(static_cast<int64_t>(v)); };
    for (size_t v = 0; v < high.size(); ++v) b_.set(left, {place(v)}, high[v]);
    b_.loop("half", 0, 2, 1, [&](const Value& half) {
      for (size_t v = 0; v < high.size(); ++v) high[v] = b_.let("high", b_.get(left, {place(v)}));
      eightOf(half, 0);
      for (size_t v = 0; v < high.size(); ++v) b_.set(left, {place(v)}, binary(LoopOp::Lshr, high[v], i32Const(16, lanes_)));
    });
  };
  if (!to.step) return b_.loop("s", 0, 16, 1, sixteen);
  b_.loop("s", 0, 16, 2, [&](const Value& s) { to.step([&] { b_.loop("sub", s, s + 2, 1, sixteen); }); });
}

}  // namespace quern
