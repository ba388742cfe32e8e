// compiler/loops/maths/WideFunctions.cpp — functions whose intermediates need more bits than f32 has: angles of any size, and powers. Their
// arithmetic is of double, in every lane; constants of double are sums of floats, which the compiler folds.
#include "compiler/loops/maths/MathFunctions.h"

#include <algorithm>
#include <array>
#include <limits>

namespace quern {

/// 2^(8 j) 2 / pi, of j > 0 less the even number next to it, in pieces of 24 bits: piece i is a multiple of 2^(-24 (i + 1)).
constexpr std::array<std::array<float, 14>, 4> kTwoOverPi = {{
    {{0x1.45f306p-1f, 0x1.f306dcp-1f, -0x1.f246c8p-2f, -0x1.236378p-1f, 0x1.391054p-2f, 0x1.1054a8p-2f, 0x1.529fcp-4f, -0x1.ac07b2p-1f,
      -0x1.ec54p-7f, 0x1.3abe9p-3f, -0x1.505c16p-1f, -0x1.705658p-3f, -0x1.59644p-5f, -0x1.96447ep-1f}},
    {{0x1.b9391p-26f, 0x1.391054p-26f, 0x1.1054a8p-26f, 0x1.529fcp-28f, 0x1.4fe138p-27f, -0x1.ec54p-31f, 0x1.3abe9p-27f, 0x1.5f47d4p-26f,
      -0x1.705658p-27f, -0x1.59644p-29f, 0x1.a6ee08p-27f, -0x1.11f928p-27f, -0x1.f924e8p-27f, -0x1.24eb5p-27f}},
    {{0x1.529fcp-52f, 0x1.4fe138p-51f, -0x1.ec54p-55f, 0x1.3abe9p-51f, 0x1.5f47d4p-50f, -0x1.705658p-51f, -0x1.59644p-53f, 0x1.a6ee08p-51f,
      -0x1.11f928p-51f, -0x1.f924e8p-51f, -0x1.24eb5p-51f, 0x1.8a5664p-50f, -0x1.a99b1p-50f, -0x1.9b0efp-50f}},
    {{0x1.3abe9p-75f, 0x1.5f47d4p-74f, -0x1.705658p-75f, -0x1.59644p-77f, 0x1.a6ee08p-75f, -0x1.11f928p-75f, -0x1.f924e8p-75f,
      -0x1.24eb5p-75f, 0x1.8a5664p-74f, -0x1.a99b1p-74f, -0x1.9b0efp-74f, 0x1.e21c8p-75f, 0x1.0e4108p-74f, -0x1.bef808p-74f}},
}};

static constexpr float kInfinity = std::numeric_limits<float>::infinity();

static Value asDouble(const Value& x) { return unary(LoopOp::ToF64, x); }
static Value asFloat(const Value& x) { return unary(LoopOp::ToF32, x); }
static Value doubleConst(const Value& like, float high, float low = 0) {
  Value constant = asDouble(f32Const(high, like.lanes()));
  return low == 0 ? constant : constant + asDouble(f32Const(low, like.lanes()));
}
/// A double as the sum of two floats: 48 bits of it.
static Value doubleConst(const Value& like, double value) {
  auto high = static_cast<float>(value);
  return doubleConst(like, high, static_cast<float>(value - high));
}

/// The whole number next to a double below 2^51 in size.
static Value wholeDouble(const Value& x) {
  Value magic = doubleConst(x, 0x1.8p52f);
  return (x + magic) - magic;
}

/// The low bits of an i32 are those of a whole number in double, below 2^22 in size.
static Value lowWord(const MathFunctions& m, const Value& whole) {
  return m.bits(asFloat(whole) + f32Const(0x1.8p23f, whole.lanes())) - i32Const(0x4B400000, whole.lanes());
}

Value MathFunctions::hornerWide(const Value& x, std::span<const double> highestFirst) const {
  Value sum = doubleConst(x, highestFirst[0]);
  for (size_t i = 1; i < highestFirst.size(); ++i) sum = mulAdd(sum, x, doubleConst(x, highestFirst[i]));
  return sum;
}

/// Entry `index` of a table, by one instruction or by as many selects.
Value MathFunctions::entryOf(const Value& index, std::span<const float> table) const {
  std::array<float, 16> all{};
  std::copy(table.begin(), table.end(), all.begin());
  if (lookups_) return lookupOf(index, all);
  Value found = number(index, table[0]);
  for (size_t i = 1; i < table.size(); ++i)
    found = select(binary(LoopOp::Lt, index, integer(index, static_cast<int32_t>(i))), found, number(index, table[i]));
  return found;
}

Value MathFunctions::withSignOf(const Value& magnitude, const Value& of) const {
  return floats(bitOr(bits(magnitude), bitAnd(bits(of), integer(of, INT32_MIN))));
}

Value MathFunctions::nearest(const Value& x) const {
  Value a = let_("round_a", abs(x)), magic = number(x, 0x1p23f);
  return select(lessThan(a, magic), withSignOf((a + magic) - magic, x), x);
}

/// |x| = (4 n + quarter) pi / 2 + rest. |x| 2 / pi is taken modulo 4: x is 2^(8 j) times a float below 2^32, and what 2^(8 j) 2 / pi has
/// above 1 gives multiples of 4, as that float is even where j > 0. Its first two pieces have exact products and sums, the others are below
/// 2^-16; so the rest has 30 bits and more where it is smallest (2^-32).
MathFunctions::Angle MathFunctions::angleOf(const Value& x) const {
  constexpr int32_t kFirst = 127 + 24;  // of a float from 2^24 on: the field of its exponent
  Value a = let_("angle_a", bits(abs(x)));
  Value above = binary(LoopOp::Max, binary(LoopOp::Lshr, a, integer(x, 23)) - integer(x, kFirst), integer(x, 0));
  Value j = let_("angle_j", binary(LoopOp::Lshr, above, integer(x, 3)));
  Value y = let_("angle_y", asDouble(floats(a - shiftLeft(j, 26))));
  auto piece = [&](size_t i) { return asDouble(entryOf(j, kTwoOverPi[i])); };
  struct Parts {
    Value whole, rest;
  };
  auto parts = [&](const Value& v) {
    Value value = let_("angle_v", v), whole = let_("angle_w", wholeDouble(value));
    return Parts{whole, value - whole};
  };
  Parts first = parts(y * piece(0)), second = parts(y * piece(1)), both = parts(first.rest + second.rest);
  Value small = y * (piece(2) + piece(3));
  Value turns = let_("angle_t", first.whole + second.whole + both.whole);
  Value full = wholeDouble(turns * doubleConst(x, 0.25f)) * doubleConst(x, 4.0f);
  constexpr double kHalfPi = 1.57079632679489661923;
  return {let_("angle_q", lowWord(*this, turns - full)), let_("angle_r", asFloat((both.rest + small) * doubleConst(x, kHalfPi)))};
}

Value MathFunctions::sineOf(const Value& x, int quarters) const {
  constexpr std::array<float, 4> kSine = {1.0f / 362880, -1.0f / 5040, 1.0f / 120, -1.0f / 6};
  constexpr std::array<float, 5> kCosine = {-1.0f / 3628800, 1.0f / 40320, -1.0f / 720, 1.0f / 24, -0.5f};
  Angle angle = angleOf(x);
  Value r = angle.rest, square = let_("angle_s", r * r), quarter = let_("angle_q", angle.quarter + integer(x, quarters));
  Value sine = mulAdd(r * square, horner(square, kSine), r), cosine = mulAdd(square, horner(square, kCosine), number(x, 1.0f));
  Value odd = binary(LoopOp::Ne, bitAnd(quarter, integer(x, 1)), integer(x, 0));
  Value size = select(odd, cosine, sine), turned = shiftLeft(quarter, 30);
  if (quarters == 0) turned = binary(LoopOp::Xor, turned, bits(x));
  Value value = floats(binary(LoopOp::Xor, bits(size), bitAnd(turned, integer(x, INT32_MIN))));
  return select(lessThan(abs(x), number(x, kInfinity)), value, x - x);
}

/// Of b, whether it is a whole number, and an odd one.
struct Wholeness {
  Value broken, odd;
};
static Wholeness wholenessOf(const MathFunctions& m, const Value& b) {
  Value half = m.let("pow_h", b * m.number(b, 0.5f));
  Value broken = m.let("pow_b", binary(LoopOp::Ne, m.nearest(b), b)), halfBroken = binary(LoopOp::Ne, m.nearest(half), half);
  // A NaN is neither: what it gives is decided before.
  return {broken, m.let("pow_o", binary(LoopOp::And, binary(LoopOp::Eq, m.nearest(b), b), halfBroken))};
}

Value MathFunctions::log2Wide(const Value& x) const {
  // 2 atanh(s) / ln 2, s = f / (2 + f) below 0.172: the next term is 2^-39 of it.
  constexpr double kTwoOverLn2 = 2.88539008177792681472;
  constexpr std::array<double, 7> kAtanh = {kTwoOverLn2 / 13, kTwoOverLn2 / 11, kTwoOverLn2 / 9, kTwoOverLn2 / 7,
                                            kTwoOverLn2 / 5,  kTwoOverLn2 / 3,  kTwoOverLn2};
  Split split = splitOf(x);
  Value f = let_("log2_f", asDouble(split.f)), s = let_("log2_s", f / (f + doubleConst(x, 2.0f))), square = let_("log2_q", s * s);
  return mulAdd(s, hornerWide(square, kAtanh), asDouble(split.exponent));
}

Value MathFunctions::exp2Wide(const Value& x) const {
  // (ln 2)^k / k!: the next term is 2^-36 of 2^r, |r| <= 1/2.
  constexpr std::array<double, 10> kPower = {
      1.01780860092396997e-7, 1.32154867901443095e-6, 1.52527338040598403e-5, 1.54035303933816099e-4, 1.33335581464284434e-3,
      9.61812910762847716e-3, 5.55041086648215800e-2, 0.240226506959100712,   0.693147180559945309,   1.0};
  constexpr float kFar = 200;  // where all is 0 or Inf
  Value top = doubleConst(x, kFar), bottom = doubleConst(x, -kFar);
  Value capped = let_("exp2_c", select(lessThan(top, x), top, x)), t = let_("exp2_t", select(lessThan(capped, bottom), bottom, capped));
  Value whole = let_("exp2_w", wholeDouble(t)), p = hornerWide(let_("exp2_r", t - whole), kPower);
  Value n = let_("exp2_n", lowWord(*this, whole)), half = let_("exp2_h", binary(LoopOp::Ashr, n, integer(n, 1)));
  return asFloat(p * asDouble(powerOfTwo(half)) * asDouble(powerOfTwo(n - half)));
}

/// 2^(b log2 |a|) in double, rounded once; then what C99's annex F says of signs, zeros, infinities and NaN.
Value MathFunctions::pow(const Value& a, const Value& b) const {
  Value size = let_("pow_a", abs(a)), zero = number(a, 0.0f), one = number(a, 1.0f), inf = number(a, kInfinity);
  Value logarithm = select(binary(LoopOp::Eq, size, zero), doubleConst(a, -kInfinity), log2Wide(size));
  logarithm = let_("pow_l", select(binary(LoopOp::Eq, size, inf), doubleConst(a, kInfinity), logarithm));
  Value magnitude = let_("pow_m", exp2Wide(let_("pow_t", asDouble(b) * logarithm)));
  magnitude = select(binary(LoopOp::Eq, size, one), one, magnitude);
  Wholeness whole = wholenessOf(*this, b);
  Value power = let_("pow_p", select(whole.odd, withSignOf(magnitude, a), magnitude));
  Value negative = binary(LoopOp::And, lessThan(a, zero), lessThan(neg(inf), a));
  Value real = select(binary(LoopOp::And, negative, whole.broken), number(a, std::numeric_limits<float>::quiet_NaN()), power);
  Value kept = select(binary(LoopOp::Ne, a, a), a, select(binary(LoopOp::Ne, b, b), b, real));
  return select(binary(LoopOp::Or, binary(LoopOp::Eq, b, zero), binary(LoopOp::Eq, a, one)), one, kept);
}

}  // namespace quern
