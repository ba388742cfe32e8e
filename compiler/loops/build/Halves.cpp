// compiler/loops/build/Halves.cpp — see Halves.h; base/Half.h states the same, one number at a time.
#include "compiler/loops/build/Halves.h"

#include "compiler/base/Check.h"

namespace quern {

namespace {

Value both(LoopOp op, const Value& x, int32_t constant) { return binary(op, x, i32Const(constant, x.lanes())); }
Value isLess(const Value& x, int32_t limit) { return binary(LoopOp::Lt, x, i32Const(limit, x.lanes())); }

constexpr int32_t kHalfInf = 0x7f800000, kHalfQuiet = 0x400000;

}  // namespace

Value floatOfBfloat(const Value& bits) { return unary(LoopOp::BitsF32, both(LoopOp::Shl, bits, 16)); }

Value floatOfHalf(OpBuild& build, const Value& half) {
  if (build.target.isa().halves) return unary(LoopOp::HalfF32, half);
  LoopBuilder& b = build.b;
  Value bits = b.let("half", half);
  Value sign = both(LoopOp::Shl, both(LoopOp::And, bits, 0x8000), 16);
  Value magnitude = b.let("magnitude", both(LoopOp::Shl, both(LoopOp::And, bits, 0x7fff), 13));
  Value normal = both(LoopOp::Add, magnitude, 112 << 23);
  Value special = both(LoopOp::Add, magnitude, 224 << 23);
  Value quiet = selectOf(isLess(magnitude, (31 << 23) + 1), special, both(LoopOp::Or, special, kHalfQuiet));
  // A denormal half is so many 2^-24.
  Value denormal = unary(LoopOp::BitsI32, unary(LoopOp::ToF32, both(LoopOp::And, bits, 0x3ff)) * f32Const(0x1p-24f, bits.lanes()));
  Value found = selectOf(isLess(magnitude, 1 << 23), denormal, selectOf(isLess(magnitude, 31 << 23), normal, quiet));
  return unary(LoopOp::BitsF32, binary(LoopOp::Or, sign, found));
}

Value halfOfFloat(OpBuild& build, const Value& value) {
  if (build.target.isa().halves) return unary(LoopOp::F32Half, value);
  LoopBuilder& b = build.b;
  Value bits = b.let("bits", unary(LoopOp::BitsI32, value));
  Value sign = both(LoopOp::And, both(LoopOp::Lshr, bits, 16), 0x8000);
  Value magnitude = b.let("magnitude", both(LoopOp::And, bits, 0x7fffffff));
  // Half of the bits that go, and one more where the last that stays is odd: ties go to even.
  Value odd = both(LoopOp::And, both(LoopOp::Lshr, magnitude, 13), 1);
  Value rounded = both(LoopOp::Lshr, binary(LoopOp::Add, both(LoopOp::Add, magnitude, 0xfff - (112 << 23)), odd), 13);
  // Beside 1/2 the last bit of an f32 is 2^-24, the least denormal half: the addition rounds.
  Value sum = unary(LoopOp::BitsF32, magnitude) + f32Const(0.5f, value.lanes());
  Value denormal = both(LoopOp::Sub, unary(LoopOp::BitsI32, sum), 0x3f000000);
  Value finite = selectOf(isLess(magnitude, 113 << 23), denormal, rounded);
  Value infinite = i32Const(0x7c00, value.lanes());
  Value nan = both(LoopOp::Or, both(LoopOp::And, both(LoopOp::Lshr, magnitude, 13), 0x3ff), 0x7e00);
  Value found = selectOf(isLess(magnitude, 0x477ff000), finite, selectOf(isLess(magnitude, kHalfInf + 1), infinite, nan));
  return binary(LoopOp::Or, sign, found);
}

Value bfloatOfFloat(OpBuild& build, const Value& value) {
  LoopBuilder& b = build.b;
  Value bits = b.let("bits", unary(LoopOp::BitsI32, value));
  Value odd = both(LoopOp::And, both(LoopOp::Lshr, bits, 16), 1);
  Value rounded = both(LoopOp::Lshr, binary(LoopOp::Add, both(LoopOp::Add, bits, 0x7fff), odd), 16);
  Value nan = both(LoopOp::Or, both(LoopOp::Lshr, bits, 16), 0x40);
  return selectOf(isLess(both(LoopOp::And, bits, 0x7fffffff), kHalfInf + 1), rounded, nan);
}

static constexpr int64_t kBlock = 32, kScaleBytes = 2;  // q8_0 (op/ElementType.h)

std::vector<Value> storedPlace(const BufferRef& buffer, std::span<const Value> index) {
  std::vector<Value> place(index.begin(), index.end());
  if (!buffer.blocks) return place;
  place.back() = index.back() / kBlock;
  place.push_back(index.back() % kBlock + kScaleBytes);
  return place;
}

/// Scale times code is exact: 11 bits by 8.
static Value floatsOfBlock(OpBuild& build, const BufferRef& buffer, std::span<const Value> index, int lanes) {
  std::vector<Value> place = storedPlace(buffer, index);
  Value codes = build.b.loadAs(Scalar::I8, buffer, place, lanes);
  place.back() = 0;
  Value scale = floatOfHalf(build, broadcast(build.b.loadAs(Scalar::U16, buffer, place, 1), lanes));
  return unary(LoopOp::ToF32, codes) * scale;
}

Value loadFloats(OpBuild& build, const BufferRef& buffer, std::span<const Value> index, int lanes, const Value* mask) {
  if (buffer.blocks) return QUERN_CHECK(mask == nullptr), floatsOfBlock(build, buffer, index, lanes);
  Value raw = build.b.load(buffer, index, lanes, mask);
  if (buffer.element == Scalar::BF16) return floatOfBfloat(raw);
  return buffer.element == Scalar::F16 ? floatOfHalf(build, raw) : raw;
}

void storeFloats(OpBuild& build, const BufferRef& buffer, std::span<const Value> index, const Value& value, const Value* mask) {
  if (buffer.element == Scalar::F16) build.b.store(buffer, index, halfOfFloat(build, build.b.let("value", value)), mask);
  else if (buffer.element == Scalar::BF16) build.b.store(buffer, index, bfloatOfFloat(build, build.b.let("value", value)), mask);
  else build.b.store(buffer, index, value, mask);
}

}  // namespace quern
