// compiler/loops/ops/DotLoops.cpp — see DotLoops.h.
#include "compiler/loops/ops/DotLoops.h"

#include "compiler/base/Checked.h"
#include "compiler/loops/build/Halves.h"

namespace quern {

static constexpr int64_t kCodedWords = 8;  ///< of 32 codes

DotProduct::DotProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                       const Value& panels)
    : build_(build),
      b_(build.b),
      type_(op.w),
      k_(build.dim({"k", op.k.value})),
      panel_(s.panelWidth()),
      lanes_(static_cast<int>(s.lanes)),
      dots_(build.b, s.dots == MatmulSchedule::DotsVnni, blockFormatOf(type_).smallBytes(), lanes_),
      prefetch_(ceilDiv(s.prefetch, formatOf(op.w).block)) {
  const ElementFormat& format = formatOf(type_);
  packed_ =
      b_.denseBuffer(name, Scalar::U8, BufferRole::Packed, {batch, panels, k_ / format.block, panel_ * packedBytesOf(type_, format.block)});
}

/// Codes of a sub-block.
int64_t DotProduct::together() const { return blockFormatOf(type_).each; }

void DotProduct::declareRows(const Value& rows) {
  codes_.emplace(build_, rows, k_, together(), bias(), blockFormatOf(type_).minima != Minima::None || bias() != 0);
}
void DotProduct::given(const Value&, const BufferRef& a, const PlaceInA& at) { codes_.emplace(build_, a, at, together(), bias()); }

/// The vector's columns of a part that begins `offset` bytes per column into the block and has `bytesEach` per column.
Value DotProduct::part(const At& at, Scalar stored, const Value& offset, int64_t bytesEach) const {
  const WeightColumns& columns = at.tile.vectors[static_cast<size_t>(at.vector)];
  const Value index[] = {at.tile.batch, columns.panel, at.block, offset * panel_ + columns.column * bytesEach};
  return b_.loadAs(stored, packed_, index, lanes_);
}

Value DotProduct::word(const At& at, const Value& offset) const {
  constexpr int64_t kLineWords = 16;
  if (prefetch_ > 0 && at.vector * lanes_ % kLineWords == 0) {
    const WeightColumns& columns = at.tile.vectors[static_cast<size_t>(at.vector)];
    const Value ahead[] = {at.tile.batch, columns.panel, at.block + prefetch_, offset * panel_ + columns.column * 4};
    b_.prefetch(packed_, ahead);
  }
  return b_.let("word", part(at, Scalar::I32, offset, 4));
}

Value DotProduct::half(const At& at, int64_t offset, const char* name) const {
  return b_.let(name, floatOfHalf(build_, part(at, Scalar::U16, offset, 2)));
}

DotProduct::RowSum DotProduct::sums(const Part& part) {
  std::vector<Value> quads(static_cast<size_t>(part.steps * part.quadsEach)), words = quads;
  for (int64_t step = 0; step < part.steps; ++step) {
    Quads own = part.quads(step);
    for (int64_t i = 0; i < part.quadsEach; ++i) {
      auto place = static_cast<size_t>(i * part.steps + step);
      quads[place] = own[static_cast<size_t>(i)], words[place] = part.word(step, i);
    }
  }
  return [this, quads, words, part](const Value&, const Value& row) {
    Value sum = part.start ? part.start(row) : i32Const(0, lanes_);
    for (size_t i = 0; i < quads.size(); ++i) sum = b_.let("dot", dots_.dot(sum, quads[i], codes(row, part.block, words[i])));
    return sum;
  };
}

DotProduct::RowSum DotProduct::sumsOfWords(const At& at, const Part& part) {
  if (dots_.vnni() || !build_.target.isa().shortDots) return sums(part);
  int64_t rows = at.tile.rows;
  RegArray sums = b_.reg("dots", {static_cast<int>(rows)}, i32Const(0, lanes_));
  auto addWord = [&](const Value& step) {
    Quads own = part.quads(step);
    for (int64_t i = 0; i < part.quadsEach; ++i)
      b_.unroll("r", rows, [&](const Value& r) {
        Value codes = b_.let("a", this->codes(at.tile.row + r, part.block, part.word(step, i))), before = b_.get(sums, {r});
        const Value& quad = own[static_cast<size_t>(i)];
        b_.set(sums, {r}, part.inHalves ? binary(LoopOp::AddHalves, before, dots_.shortDots(quad, codes)) : dots_.dot(before, quad, codes));
      });
  };
  if (rows == 1) b_.unroll("w", part.steps, addWord);  // no registers to spare for more
  else b_.loop("w", 0, part.steps, 1, addWord);
  return [this, sums, part](const Value& r, const Value& row) {
    Value sum = b_.get(sums, {r});
    if (!part.inHalves) return part.start ? part.start(row) + sum : sum;
    return binary(LoopOp::SumHalves, part.start ? part.start(row) : i32Const(0, lanes_), sum);
  };
}

Value DotProduct::start(const Value& row, const Value& block, int64_t part) const {
  Value sum = broadcast(codes_->sum(row, block, part), lanes_);
  int shift = codes_->sumShift();
  return shift == 0 ? sum : binary(LoopOp::Ashr, sum, i32Const(shift, lanes_));
}

int DotProduct::bias() const {
  const BlockFormat& format = blockFormatOf(type_);
  if (format.scales == SubScales::Nibbles) return kSumsBias;
  if (format.table == nullptr) return format.bias != 0 ? format.bias : dots_.bias();
  return format.smallBytes() ? kSmallBias : dots_.bias();
}

Value DotProduct::scaleOf(const At& at, const Value& row, const Value& scale) const {
  return broadcast(codes_->scale(row, at.block * (formatOf(type_).block / 32)), lanes_) * scale;
}

void DotProduct::eachRow(const At& at, const std::function<Value(const Value& r, const Value& row, const Value& acc)>& sum) {
  b_.unroll("r", at.tile.rows,
            [&](const Value& r) { b_.set(at.tile.acc, {r, at.vector}, sum(r, at.tile.row + r, b_.get(at.tile.acc, {r, at.vector}))); });
}

/// Quads 0 to 3 in the low nibbles of four words, 4 to 7 in the high ones. Eight dots of 15 times 127, twice, are below 2^15.
DotProduct::Part DotProduct::nibbles(const At& at, const Value& offset, const Value& block) {
  auto apart = [this, at, offset](const Value& step) {
    Value word = this->word(at, offset + step * 4), mask = i32Const(0x0f0f0f0f, lanes_);
    Value low = b_.let("quad", binary(LoopOp::And, word, mask));
    return Quads{low, b_.let("quad", binary(LoopOp::And, binary(LoopOp::Lshr, word, i32Const(4, lanes_)), mask))};
  };
  return {block, 4, 2, apart, [](const Value& step, int64_t quad) { return step + 4 * quad; }, {}, true};
}

void DotProduct::q8_0(const At& at) {
  Part part{at.block,
            kCodedWords,
            1,
            [&](const Value& step) { return Quads{dots_.quad(word(at, step * 4 + 2))}; },
            [](const Value& step, int64_t) { return step; },
            {},
            false};
  if (dots_.bias() != 0) part.start = [&](const Value& row) { return start(row, at.block); };
  RowSum sum = sumsOfWords(at, part);
  Value d = half(at, 0, "d");
  eachRow(at, [&](const Value& r, const Value& row, const Value& acc) {
    Value dot = sum(r, row);
    return build_.exactMulAdd(unary(LoopOp::ToF32, dot), scaleOf(at, row, d), acc);
  });
}

void DotProduct::q4_0(const At& at) {
  Part part = nibbles(at, 2, at.block);
  part.start = [&](const Value& row) { return start(row, at.block); };
  RowSum sum = sumsOfWords(at, part);
  Value d = half(at, 0, "d");
  eachRow(at, [&](const Value& r, const Value& row, const Value& acc) {
    Value dot = sum(r, row);
    return build_.exactMulAdd(unary(LoopOp::ToF32, dot), scaleOf(at, row, d), acc);
  });
}

DotProduct::SixBits DotProduct::sixBits(const At& at, int side, const Value& s) {
  auto bits = [&](const Value& word, int shift, int count) {
    Value moved = shift == 0 ? word : binary(LoopOp::Lshr, word, i32Const(shift, lanes_));
    return binary(LoopOp::And, moved, i32Const((1 << count) - 1, lanes_));
  };
  auto joined = [&](const Value& low, const Value& high) {
    return binary(LoopOp::Or, low, binary(LoopOp::Shl, high, i32Const(4, lanes_)));
  };
  auto byte = [&](const Value& j) { return b_.let("bytes", part(at, Scalar::U8, 4 + j, 1)); };
  Value own = byte(side == 0 ? s : s + 4), other = byte(side == 0 ? s + 4 : s);
  Value scale = side == 0 ? bits(own, 0, 6) : joined(bits(own, 0, 4), bits(byte(s - 4), 6, 2));
  return {scale, side == 0 ? bits(other, 0, 6) : joined(bits(own, 4, 4), bits(other, 6, 2))};
}

void DotProduct::q4_K(const At& at) {
  Value d = half(at, 0, "d"), dmin = half(at, 2, "dmin");
  for (int side = 0; side < 2; ++side)  // sub-blocks 0 to 3, and 4 to 7: their six bits lie differently
    b_.loop("s", 4 * side, 4 * side + 4, 1, [&](const Value& s) {
      auto [scale, minimum] = sixBits(at, side, s);
      Value step = b_.let("step", unary(LoopOp::ToF32, scale) * d), least = b_.let("least", unary(LoopOp::ToF32, minimum) * dmin);
      Value block = at.block * 8 + s;
      RowSum dots = sumsOfWords(at, nibbles(at, 16 + s * 16, block));
      eachRow(at, [&](const Value& r, const Value& row, const Value& acc) {
        Value sum = dots(r, row);
        Value scales = b_.let("scales", broadcast(codes_->scale(row, block), lanes_));
        Value codes = broadcast(codes_->sum(row, block), lanes_);
        return build_.exactMulAdd(codes, scales * least,
                                  b_.let("product", build_.exactMulAdd(unary(LoopOp::ToF32, sum), scales * step, acc)));
      });
    });
}

void DotProduct::q6_K(const At& at) {
  Value d = half(at, 0, "d");
  b_.loop("s", 0, 8, 1, [&](const Value& s) {
    Part all = nibbles(at, 18 + s * 16, at.block * 8 + s);
    Quads low, high;
    for (int64_t step = 0; step < all.steps; ++step) {
      Quads own = all.quads(step);
      low.push_back(own[0]), high.push_back(own[1]);
    }
    Value block = at.block * 8 + s, scales[2];
    RowSum dots[2];
    for (int h = 0; h < 2; ++h) {
      Quads quads = h == 0 ? low : high;
      Value upper = word(at, 18 + 128 + s * 8 + 4 * h);
      for (int q = 0; q < 4; ++q) {
        Value moved = q == 0 ? upper : binary(LoopOp::Lshr, upper, i32Const(2 * q, lanes_));
        Value bits = binary(LoopOp::Shl, binary(LoopOp::And, moved, i32Const(0x03030303, lanes_)), i32Const(4, lanes_));
        Value& quad = quads[static_cast<size_t>(q)];
        quad = b_.let("quad", binary(LoopOp::Or, quad, bits));
      }
      auto own = [this, block, h](const Value& row) { return start(row, block, h); };
      auto quad = [quads](const Value& step) { return Quads{quads[static_cast<size_t>(*step.constant())]}; };
      dots[h] = sums({block, 4, 1, quad, [h](const Value& step, int64_t) { return step + 4 * h; }, own, false});
    }
    for (int h = 0; h < 2; ++h) scales[h] = b_.let("scale", part(at, Scalar::I8, 2 + s * 2 + h, 1));
    eachRow(at, [&](const Value& r, const Value& row, const Value& acc) {
      Value first = dots[0](r, row) * scales[0], sum = first + dots[1](r, row) * scales[1];
      return build_.exactMulAdd(unary(LoopOp::ToF32, b_.let("both", sum)), broadcast(codes_->scale(row, block), lanes_) * d, acc);
    });
  });
}

void DotProduct::run(const Tile& tile) {
  tile.start();
  int64_t depth = formatOf(type_).block;
  b_.loop("block", tile.k0 / depth, tile.k1 / depth, 1, [&](const Value& block) {
    for (size_t v = 0; v < tile.vectors.size(); ++v) {
      At at{tile, block, static_cast<int64_t>(v)};
      switch (type_) {
        case ElementType::Q8_0: q8_0(at); break;
        case ElementType::Q4_0: q4_0(at); break;
        case ElementType::Q4_K: q4_K(at); break;
        case ElementType::Q6_K: q6_K(at); break;
        default: parts(at);
      }
    }
  });
}

}  // namespace quern
