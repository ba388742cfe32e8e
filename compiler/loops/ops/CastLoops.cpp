// compiler/loops/ops/CastLoops.cpp — cast: rows that are read, made numbers of another type, and written elsewhere.
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/build/RowLoops.h"
#include "compiler/loops/ops/KeptRows.h"
#include "compiler/loops/ops/OpLoops.h"

#include <limits>

namespace quern {

namespace {

bool isFloating(const Value& x) { return x.type().scalar == Scalar::F32 || x.type().scalar == Scalar::F64; }
Value wholeConst(const Value& like, int64_t value) {
  if (like.type().scalar == Scalar::I64) return broadcast(Value(value), like.lanes());
  return i32Const(static_cast<int32_t>(value), like.lanes());
}
Value floatConst(const Value& like, float value) {
  Value single = f32Const(value, like.lanes());
  return like.type().scalar == Scalar::F64 ? unary(LoopOp::ToF64, single) : single;
}

/// Which values a type of whole numbers has that i32, or of u32 i64, does not end at.
struct Ends {
  int64_t least, most;
};
Ends endsOf(ElementType type) {
  switch (type) {
    case ElementType::I8: return {INT8_MIN, INT8_MAX};
    case ElementType::U8: return {0, UINT8_MAX};
    case ElementType::I16: return {INT16_MIN, INT16_MAX};
    case ElementType::U16: return {0, UINT16_MAX};
    case ElementType::U32: return {0, UINT32_MAX};
    default: return {INT32_MIN, INT32_MAX};
  }
}

/// One cast being built. On their way numbers are lanes of f32 (f16, bf16 too), f64, i64 (u32 too; of u64 the bits), i32 (all others).
class Cast {
public:
  Cast(OpBuild& build, const CastOp& op, const MoveSchedule& s) : build_(build), b_(build.b), op_(op), s_(s) {
    from_ = build.strided(op.inputs()[0], BufferRole::In);
    to_ = build.strided(op.output(), BufferRole::Out);
  }

  void run() {
    std::vector<Value> extents = build_.dimsOf(op_.inputs()[0]);
    if (extents.empty())
      return forRows(build_, 1, s_.rows, [&](const Value&) { b_.store(to_, std::span<const Value>(), converted(loaded({}, 1, nullptr))); });
    size_t last = extents.size() - 1;
    Value rows = 1;
    for (size_t i = 0; i < last; ++i) rows = rows * extents[i];
    forRows(build_, rows, s_.rows, [&](const Value& row) { oneRow(placeOfRow(b_, row, std::span(extents).first(last)), extents[last]); });
  }

private:
  void oneRow(const std::vector<Value>& place, const Value& width) {
    auto at = [&](const Value& column) {
      std::vector<Value> element = place;
      element.push_back(column);
      return element;
    };
    if (to_.blocks)
      return storeRow(build_, to_, place, width, lanes(),
                      [&](const Value& column, int count, const Value* mask) { return asF32(loaded(at(column), count, mask)); });
    build_.forVectors("j", 0, width, lanes(), 1, build_.masks(), [&](const Value& column, int count, const Value* mask) {
      b_.store(to_, at(column), converted(loaded(at(column), count, mask)), mask);
    });
  }

  static bool isFloatType(ElementType type) { return !isWhole(type); }
  /// One where shifts of i64 are needed; and where LLVM rounds vectors of i64 to f32 twice, which AArch64 does.
  int lanes() const {
    bool halves = op_.to == ElementType::F16 || op_.to == ElementType::BF16, index = op_.from == ElementType::I64;
    bool one = (op_.from == ElementType::U64 && isFloatType(op_.to)) || (op_.to == ElementType::U64 && isFloatType(op_.from)) ||
               (index && halves) || (index && !isWhole(op_.to) && op_.to != ElementType::F64 && build_.target.isa().arch != "x86_64");
    return one ? 1 : static_cast<int>(s_.lanes);
  }

  Value loaded(const std::vector<Value>& element, int lanes, const Value* mask) {
    if (from_.element == Scalar::F32 || from_.element == Scalar::F16 || from_.element == Scalar::BF16)
      return loadFloats(build_, from_, element, lanes, mask);
    Value x = b_.load(from_, element, lanes, mask);
    if (op_.from == ElementType::Bool) return isTrue(x);
    return op_.from == ElementType::U32 ? binary(LoopOp::And, unary(LoopOp::ToI64, x), broadcast(Value(int64_t{UINT32_MAX}), lanes)) : x;
  }

  /// What is stored.
  Value converted(const Value& x) {
    switch (op_.to) {
      case ElementType::F32: return asF32(x);
      case ElementType::F16: return halfOfFloat(build_, b_.let("value", towardsHalves(x)));
      case ElementType::BF16: return bfloatOfFloat(build_, b_.let("value", towardsHalves(x)));
      case ElementType::F64: return asFloat(LoopOp::ToF64, x);
      case ElementType::I64:
      case ElementType::U64: return asI64(x);
      case ElementType::Bool: return isTrue(x);
      default: return asI32(x);
    }
  }

  static Value isTrue(const Value& x) {
    Value zero = isFloating(x) ? floatConst(x, 0) : wholeConst(x, 0);
    return selectOf(binary(LoopOp::Ne, x, zero), i32Const(1, x.lanes()), i32Const(0, x.lanes()));
  }

  // --- to floats
  Value asF32(const Value& x) { return asFloat(LoopOp::ToF32, x); }
  Value asFloat(LoopOp to, const Value& given) {
    if (given.type().scalar == (to == LoopOp::ToF32 ? Scalar::F32 : Scalar::F64)) return given;
    if (op_.from != ElementType::U64) return unary(to, given);
    Value x = b_.let("x", given), half = b_.let("half", unary(to, halved(x)));
    return selectOf(lessThan(x, 0), half + half, unary(to, x));
  }
  /// Half of a u64, odd where a bit is lost: it rounds as the whole does.
  static Value halved(const Value& x) { return binary(LoopOp::Or, binary(LoopOp::Lshr, x, 1), binary(LoopOp::And, x, 1)); }

  /// An f32 that rounds to f16 and bf16 as x does.
  Value towardsHalves(const Value& x) {
    if (x.type().scalar == Scalar::F32) return x;
    bool small = formatOf(op_.from).blockBytes <= 2;
    return small ? asF32(x)
                 : oddF32(b_.let("wide", x.type().scalar == Scalar::I64 && op_.from != ElementType::U32 ? exactF64(x) : asF64(x)));
  }
  Value asF64(const Value& x) { return asFloat(LoopOp::ToF64, x); }
  /// One of the two f32 that a double lies between, the one whose last bit is set; itself where it is one.
  Value oddF32(const Value& wide) {
    int lanes = wide.lanes();
    Value near = b_.let("near", unary(LoopOp::ToF32, wide)), back = b_.let("back", unary(LoopOp::ToF64, near));
    Value bits = b_.let("bits", unary(LoopOp::BitsI32, near));
    Value less = lessThan(unary(LoopOp::Abs, back), unary(LoopOp::Abs, wide));
    Value moved = bits + selectOf(less, i32Const(1, lanes), i32Const(-1, lanes));
    Value off = binary(LoopOp::Or, lessThan(back, wide), lessThan(wide, back));
    Value even = binary(LoopOp::Eq, binary(LoopOp::And, bits, i32Const(1, lanes)), i32Const(0, lanes));
    return unary(LoopOp::BitsF32, selectOf(binary(LoopOp::And, off, even), moved, bits));
  }
  /// A double that rounds to f16 and bf16 as an i64 or u64 does: where the number is beyond 32 bits one bit stands for the low sixteen.
  Value exactF64(const Value& given) {
    constexpr int64_t kLow = 0xffff, kHalf = 0x8000, kBeyond = int64_t{1} << 31;
    bool doubled = op_.from == ElementType::U64;
    Value whole = b_.let("whole", given), isLarge = lessThan(whole, 0);
    Value x = doubled ? b_.let("x", selectOf(isLarge, halved(whole), whole)) : whole;
    Value low = b_.let("low", binary(LoopOp::And, x, kLow));
    Value coarse = binary(LoopOp::Or, x - low, selectOf(binary(LoopOp::Eq, low, 0), 0, kHalf));
    Value fits = binary(LoopOp::Eq, binary(LoopOp::Lshr, x + kBeyond, 32), 0);
    Value wide = b_.let("wide", unary(LoopOp::ToF64, selectOf(fits, x, coarse)));
    return doubled ? selectOf(isLarge, wide + wide, wide) : wide;
  }

  // --- to whole numbers
  Value asI32(const Value& x) {
    if (!isFloating(x)) return x.type().scalar == Scalar::I64 ? unary(LoopOp::ToI32, x) : x;
    bool wide = op_.to == ElementType::U32;
    Value whole = unary(wide ? LoopOp::TruncI64 : LoopOp::TruncI32, x);
    Ends ends = endsOf(op_.to);
    if (op_.to != ElementType::I32) whole = minOf(maxOf(whole, wholeConst(whole, ends.least)), wholeConst(whole, ends.most));
    return wide ? unary(LoopOp::ToI32, whole) : whole;
  }
  Value asI64(const Value& given) {
    if (given.type().scalar == Scalar::I32) return unary(LoopOp::ToI64, given);
    if (!isFloating(given)) return given;
    if (op_.to == ElementType::I64) return unary(LoopOp::TruncI64, given);
    Value x = b_.let("x", given), top = floatConst(x, 0x1p63f);
    Value above = unary(LoopOp::TruncI64, x - top) + Value(std::numeric_limits<int64_t>::min());
    return selectOf(binary(LoopOp::Le, top, x), above, maxOf(unary(LoopOp::TruncI64, x), 0));
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const CastOp& op_;
  const MoveSchedule& s_;
  BufferRef from_, to_;
};

}  // namespace

void buildLoops(OpBuild& build, const CastOp& op, const MoveSchedule& s) { Cast(build, op, s).run(); }

}  // namespace quern
