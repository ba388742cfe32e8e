// compiler/loops/maths/MathFunctions.cpp — see MathFunctions.h.
#include "compiler/loops/maths/MathFunctions.h"

#include "compiler/Activations.h"
#include "compiler/base/Check.h"

#include <array>
#include <bit>
#include <limits>

namespace quern {

const ActivationInfo* mathsInfo(LoopOp fn) {
  switch (fn) {
#define QUERN_FN(Name) \
  case LoopOp::Name: return &maths::Name::kInfo;
    QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
    default: return nullptr;
  }
}

std::string text(const ActivationInfo& info, int lanes, bool fma, bool lookups) {
  double ulp = lookups ? info.own.lookups : fma ? info.own.fma : info.own.plain;
  std::string bound = info.tiny > 0 ? fmt::format("max({:g} ulp, 2^-26)", ulp) : ulp == 0 ? "0 ulp" : fmt::format("{:g} ulp", ulp);
  return fmt::format("{}: {} lane{} here, any number; every float, {}; error <= {} (fma {:g}, without {:g}, by tables {:g} ulp)\n    {}",
                     info.name, lanes, lanes == 1 ? "" : "s", info.internal ? "not above 0" : "NaN, Inf and denormals too", bound,
                     info.own.fma, info.own.plain, info.own.lookups, lookups && !info.lookupForm.empty() ? info.lookupForm : info.form);
}

Value MathFunctions::emit(LoopOp fn, const Value& given, const Value& second) const {
  Value x = let_("x", given);
  switch (fn) {
    case LoopOp::Pow: return pow(x, let_("y", second));
#define QUERN_FN(Name) \
  case LoopOp::Name: return maths::Name::expand(*this, x);
      QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
    default: break;
  }
  QUERN_CHECK_FOR(false, std::string(nameOf(fn)));
  return x;
}

Value MathFunctions::mulAdd(const Value& a, const Value& b, const Value& c) const { return fma_ ? fmaOf(a, b, c) : a * b + c; }

Value MathFunctions::horner(const Value& x, std::span<const float> highestFirst) const {
  Value sum = number(x, highestFirst[0]);
  for (size_t i = 1; i < highestFirst.size(); ++i) sum = mulAdd(sum, x, number(x, highestFirst[i]));
  return sum;
}

Value MathFunctions::powerOfTwo(const Value& n) {
  return unary(LoopOp::BitsF32, binary(LoopOp::Shl, n + i32Const(127, n.lanes()), i32Const(23, n.lanes())));
}

Value MathFunctions::exp(const Value& x, const Value& low, Accuracy accuracy) const {
  constexpr float kLog2e = 1.44269504f;
  constexpr float kMagic = 12582912.0f;     // 1.5 * 2^23: adding it rounds to an integer in the low bits
  constexpr float kLn2High = 0.693359375f;  // 9 bits: n * kLn2High is exact for |n| < 2^15
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr std::array<float, 6> q = {1.99723072e-4f, 1.39308651e-3f, 8.33317731e-3f, 4.16665077e-2f, 0.166666672f, 0.5f};
  // Selects, not min and max: a NaN fails the comparison and passes through. Below -105 all is 0, above 89 all is Inf.
  Value top = number(x, 89.0f), bottom = number(x, -105.0f), one = number(x, 1.0f);
  Value capped = let_("exp_c", selectOf(lessThan(top, x), top, x));
  Value clamped = let_("exp_x", selectOf(lessThan(capped, bottom), bottom, capped));
  Value shifted = let_("exp_t", mulAdd(clamped, number(x, kLog2e), number(x, kMagic)));
  Value n = let_("exp_n", shifted - number(x, kMagic));
  Value high = let_("exp_rh", mulAdd(n, number(x, -kLn2High), clamped));
  Value r = mulAdd(n, number(x, -kLn2Low), high);
  if (low.expr() != nullptr) r = r + low;
  r = let_("exp_r", r);
  Value p;
  if (accuracy == Accuracy::Usual) {
    p = mulAdd(r * r, horner(r, q), r) + one;
  } else {
    // 1 + r as a sum of two, so that the last rounding is the only large one: 0.6 ulp instead of 0.95.
    Value lost = mulAdd(n, number(x, -kLn2Low), high - r);
    Value small = mulAdd(r * r, horner(r, q), lost);
    Value sum = let_("exp_s", r + one);
    p = sum + ((one - sum + r) + small);
  }
  Value whole = let_("exp_i", bits(shifted) - integer(x, 0x4B400000));
  Value half = let_("exp_h", binary(LoopOp::Ashr, whole, integer(x, 1)));
  return p * powerOfTwo(half) * powerOfTwo(whole - half);
}

Value MathFunctions::over(const Value& numerator, const Value& divisor, Accuracy accuracy) const {
  if (!fma_) return numerator / divisor;
  // The quadratic with the least relative error on [1, 2], 1/99 (a Chebyshev polynomial, scaled); two Newton steps square that
  // twice. Six multiply-adds, where a divide of 16 lanes takes the slots of sixteen.
  Value d = let_("div_d", divisor), one = number(d, 1.0f), minus = let_("div_m", unary(LoopOp::Neg, d));
  Value r = let_("div_r", mulAdd(mulAdd(d, number(d, 32.0f / 99), number(d, -144.0f / 99)), d, number(d, 210.0f / 99)));
  for (int step = 0; step < 2; ++step) r = let_("div_r", mulAdd(mulAdd(minus, r, one), r, r));
  if (accuracy == Accuracy::Usual) return numerator * r;
  Value n = let_("div_n", numerator), q = let_("div_q", n * r);
  return mulAdd(mulAdd(minus, q, n), r, q);
}

static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // 9 bits of ln 2, and the rest
/// q of log(1 + f) = f + f^2 q(f) for 1 + f in [sqrt 1/2, sqrt 2).
static constexpr std::array<float, 10> kLogTail = {7.08590299e-2f, -0.117370196f, 0.117695831f,  -0.123885348f, 0.142335951f,
                                                   -0.166693538f,  0.200014576f,  -0.249999791f, 0.333333224f,  -0.5f};

MathFunctions::Split MathFunctions::splitOf(const Value& x) const {
  Value tiny = let_("log_tiny", below(x, 1.17549435e-38f));  // denormals: scaled by 2^23 first
  Value scaled = let_("log_x", selectOf(tiny, x * number(x, 8388608.0f), x));
  // m in [sqrt 1/2, sqrt 2): subtracting the bits of sqrt(1/2) makes the exponent field floor(log2(x / sqrt(1/2))).
  Value offset = let_("log_o", bits(scaled) - integer(x, 0x3F3504F3));
  Value exponent = binary(LoopOp::Ashr, offset, integer(x, 23)) - selectOf(tiny, integer(x, 23), integer(x, 0));
  Value mantissa = binary(LoopOp::And, offset, integer(x, 0x007FFFFF)) + integer(x, 0x3F3504F3);
  return {exponent, let_("log_f", floats(mantissa) - number(x, 1.0f))};
}

Value MathFunctions::log(const Value& x) const {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  Split split = splitOf(x);
  Value f = split.f, e = let_("log_e", unary(LoopOp::ToF32, split.exponent));
  Value tail = mulAdd(f * f, horner(f, kLogTail), e * number(x, kLn2Low));
  Value sum = mulAdd(e, number(x, kLn2High), f + tail);
  Value good = selectOf(binary(LoopOp::Eq, x, number(x, kInf)), x, sum);
  Value orZero = selectOf(binary(LoopOp::Eq, x, number(x, 0.0f)), number(x, -kInf), good);
  Value nan = number(x, std::numeric_limits<float>::quiet_NaN());
  return selectOf(below(x, 0.0f), nan, selectOf(binary(LoopOp::Ne, x, x), x, orZero));
}

Value MathFunctions::logOfOnePlus(const Value& e) const {
  // Above sqrt 2 - 1 half of 1 + e is taken: (e - 1) / 2 has all its bits.
  Value one = number(e, 1.0f), far = let_("log1_far", lessThan(number(e, 0.414213562f), e));
  Value f = let_("log1_f", select(far, (e - one) * number(e, 0.5f), e)), k = let_("log1_k", select(far, one, number(e, 0.0f)));
  Value tail = mulAdd(f * f, horner(f, kLogTail), k * number(e, kLn2Low));
  return mulAdd(k, number(e, kLn2High), f + tail);
}

Value MathFunctions::productLow(const Value& a, const Value& b, const Value& product) const {
  if (fma_) return fmaOf(a, b, unary(LoopOp::Neg, product));
  // Halves of 12 bits have exact products (Dekker).
  auto upper = [&](const Value& v) { return let_("upper", floats(binary(LoopOp::And, bits(v), integer(v, ~0xfff)))); };
  Value ah = upper(a), bh = upper(b);
  Value al = let_("lower", a - ah), bl = let_("lower", b - bh);
  return (ah * bh - product) + ah * bl + al * bh + al * bl;
}

Value MathFunctions::timesSigmoid(const Value& times, const Value& given, const Value& low) const {
  Value y = let_("sig_y", given);
  Value negative = let_("sig_neg", below(y, 0.0f));
  Value lowOfAbs = low.expr() == nullptr ? low : selectOf(negative, low, unary(LoopOp::Neg, low));
  Value e = let_("sig_e", exp(let_("sig_n", unary(LoopOp::Neg, unary(LoopOp::Abs, y))), lowOfAbs));
  Value share = selectOf(negative, e, number(y, 1.0f));
  return over(times * share, number(y, 1.0f) + e);
}

Value MathFunctions::geluOfTail(const Value& x, std::span<const float> logTail, std::span<const float> power, float end) const {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  // Negative x: x times zero, so that minus infinity is NaN as the formula has it.
  Value a = let_("gelu_a", unary(LoopOp::Abs, x)), positive = let_("gelu_p", selectOf(below(x, 0.0f), x * number(x, 0.0f), x));
  Value b = let_("gelu_b", a - number(x, 1.0f));
  // q = b logTail(b) = n + f. Its rounding would show in the power: with fma the product is not rounded before n is taken off,
  // without, the large part of it is exact.
  Value shifted, f;
  if (fma_) {
    Value slope = let_("gelu_q", horner(b, logTail));
    shifted = let_("gelu_t", fmaOf(b, slope, number(x, kMagic)));
    f = let_("gelu_f", fmaOf(b, slope, number(x, kMagic) - shifted));
  } else {
    float steepHigh = std::bit_cast<float>(std::bit_cast<uint32_t>(logTail.back()) & ~0xfffu);
    std::vector<float> rest(logTail.begin(), logTail.end());
    rest.back() -= steepHigh;
    Value high = let_("gelu_bh", floats(binary(LoopOp::And, bits(b), integer(x, ~0xfff))));
    Value large = let_("gelu_l", high * number(x, steepHigh));
    Value small = let_("gelu_s", (b - high) * number(x, steepHigh) + b * horner(b, rest));
    shifted = let_("gelu_t", large + small + number(x, kMagic));
    f = let_("gelu_f", large - (shifted - number(x, kMagic)) + small);
  }
  Value tail = floats(bits(horner(f, power)) + binary(LoopOp::Shl, bits(shifted), integer(x, 23)));
  return selectOf(below(a, end), mulAdd(unary(LoopOp::Neg, a), tail, positive), positive);
}

Value MathFunctions::tableValue(const Value& a, const TailTable& table) const {
  constexpr float kMagic = 12582912.0f;
  constexpr size_t kEntries = 32;
  Value shifted = let_("h_s", mulAdd(a, number(a, 1.0f / table.width), number(a, kMagic)));
  Value t = let_("h_t", mulAdd(shifted - number(a, kMagic), number(a, -table.width), a));
  Value interval = let_("h_k", bits(shifted)), sum;
  for (size_t at = table.terms.size(); at > 0; at -= kEntries) {
    Value term = lookupOf(interval, table.terms.subspan(at - kEntries, kEntries));
    sum = sum.expr() == nullptr ? term : mulAdd(sum, t, term);
  }
  return sum;
}

Value MathFunctions::oddOfTable(const Value& x, const TailTable& table) const {
  Value a = let_("odd_a", unary(LoopOp::Abs, x)), end = number(x, table.end);
  Value capped = let_("odd_c", selectOf(lessThan(end, a), end, a));  // a NaN stays
  Value sign = binary(LoopOp::And, bits(x), integer(x, INT32_MIN));
  return floats(binary(LoopOp::Or, bits(tableValue(capped, table)), sign));
}

Value MathFunctions::geluOfTable(const Value& x, const TailTable& table) const {
  // Negative x: x times zero, so that minus infinity is NaN as the formula has it.
  Value a = let_("gelu_a", unary(LoopOp::Abs, x)), positive = let_("gelu_p", selectOf(below(x, 0.0f), x * number(x, 0.0f), x));
  return selectOf(below(a, table.end), positive - tableValue(a, table), positive);
}

}  // namespace quern
