// compiler/loops/ops/BlockWords.cpp — see BlockWords.h.
#include "compiler/loops/ops/BlockWords.h"

#include "compiler/base/Check.h"

namespace quern {

Value masked(const Value& word, int by, int mask) {
  int lanes = word.lanes();
  Value moved = by == 0 ? word : binary(by > 0 ? LoopOp::Lshr : LoopOp::Shl, word, i32Const(by > 0 ? by : -by, lanes));
  return binary(LoopOp::And, moved, i32Const(static_cast<int32_t>(0x01010101U * static_cast<uint32_t>(mask)), lanes));
}

Value BlockWords::quad(const Value& low, int place, const Value& high, int bit) const {
  constexpr int kByte = 8;
  int up = form_ == QuadForm::Upper ? kByte - bits() : 0;
  Value quad = masked(low, format_.low * place - up, ((1 << format_.low) - 1) << up);
  if (format_.high == 1) {
    int to = up + format_.low;
    quad = binary(LoopOp::Or, quad, masked(high, bit - to, 1 << to));
  }
  if (form_ == QuadForm::Upper) quad = binary(LoopOp::Xor, quad, i32Const(static_cast<int32_t>(0x80808080U), low.lanes()));
  return b_.let("quad", quad);
}

Value BlockWords::looked(const Value& quad, int more) const {
  std::array<float, 16> table{};
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>((*format_.table)[i] + more);
  return b_.let("looked", lookupBytesOf(quad, table));
}

Value BlockWords::element(const Value& quad, int j) const {
  int lanes = quad.lanes(), left = 24 - 8 * j;
  bool isSigned = form_ == QuadForm::Upper || format_.table != nullptr;
  if (!isSigned) {
    Value moved = j == 0 ? quad : binary(LoopOp::Lshr, quad, i32Const(8 * j, lanes));
    return j == 3 ? moved : binary(LoopOp::And, moved, i32Const(0xff, lanes));
  }
  Value moved = left == 0 ? quad : binary(LoopOp::Shl, quad, i32Const(left, lanes));
  return binary(LoopOp::Ashr, moved, i32Const(form_ == QuadForm::Upper ? 32 - bits() : 24, lanes));
}

Value powerOf(const Value& e) {
  // The larger of (e - 1) 2^23 and (e + 1) 2^21: the bits of 2^(e - 128) with an exponent, and without.
  auto with = [&](LoopOp op, const Value& x, int32_t y) { return binary(op, x, i32Const(y, e.lanes())); };
  Value normal = with(LoopOp::Sub, with(LoopOp::Shl, e, 23), 1 << 23), denormal = with(LoopOp::Add, with(LoopOp::Shl, e, 21), 1 << 21);
  return unary(LoopOp::BitsF32, maxOf(normal, denormal));
}

}  // namespace quern
