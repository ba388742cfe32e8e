// compiler/loops/MathFunctions.cpp — see MathFunctions.h.
#include "compiler/loops/MathFunctions.h"

#include "compiler/base/Check.h"

#include <array>
#include <bit>
#include <limits>

namespace quern {

static Value constantLike(const Value& x, float number) { return f32Const(number, x.lanes()); }
static Value integerLike(const Value& x, int32_t number) { return i32Const(number, x.lanes()); }
static Value below(const Value& x, float limit) { return binary(LoopOp::Lt, x, constantLike(x, limit)); }
static Value bitsOf(const Value& x) { return unary(LoopOp::BitsI32, x); }
static Value floatOf(const Value& x) { return unary(LoopOp::BitsF32, x); }

Value MathFunctions::emit(LoopOp fn, const Value& given) const {
  Value x = let_("x", given);
  switch (fn) {
    case LoopOp::Exp: return exp(x);
    case LoopOp::Log: return log(x);
    case LoopOp::Tanh: return tanh(x);
    case LoopOp::Erf: return erf(x);
    case LoopOp::Sigmoid: return sigmoid(x);
    case LoopOp::Relu: return relu(x);
    case LoopOp::Silu: return lookups_ ? geluOfTable(x, siluTail()) : timesSigmoid(x, x, {});
    case LoopOp::Rsqrt: return constantLike(x, 1) / unary(LoopOp::Sqrt, x);
    case LoopOp::GeluErf: return geluErf(x);
    case LoopOp::GeluTanh: return geluTanh(x);
    case LoopOp::Decay: return decay(x);
    case LoopOp::GeluSigmoid: return geluSigmoid(x);
    default: break;
  }
  QUERN_CHECK_FOR(false, std::string(nameOf(fn)));
  return x;
}

Value MathFunctions::mulAdd(const Value& a, const Value& b, const Value& c) const { return fma_ ? fmaOf(a, b, c) : a * b + c; }

Value MathFunctions::horner(const Value& x, std::span<const float> highestFirst) const {
  Value sum = constantLike(x, highestFirst[0]);
  for (size_t i = 1; i < highestFirst.size(); ++i) sum = mulAdd(sum, x, constantLike(x, highestFirst[i]));
  return sum;
}

/// 2^n for n in [-126, 127], n as i32
static Value powerOfTwo(const Value& n) { return floatOf(binary(LoopOp::Shl, n + integerLike(n, 127), integerLike(n, 23))); }

Value MathFunctions::exp(const Value& x, const Value& low, Accuracy accuracy) const {
  constexpr float kLog2e = 1.44269504f;
  constexpr float kMagic = 12582912.0f;     // 1.5 * 2^23: adding it rounds to an integer in the low bits
  constexpr float kLn2High = 0.693359375f;  // 9 bits: n * kLn2High is exact for |n| < 2^15
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr std::array<float, 6> q = {1.99723072e-4f, 1.39308651e-3f, 8.33317731e-3f, 4.16665077e-2f, 0.166666672f, 0.5f};
  // Selects, not min and max: a NaN fails the comparison and passes through. Below -105 all is 0, above 89 all is Inf.
  Value top = constantLike(x, 89.0f), bottom = constantLike(x, -105.0f), one = constantLike(x, 1.0f);
  Value capped = let_("exp_c", selectOf(lessThan(top, x), top, x));
  Value clamped = let_("exp_x", selectOf(lessThan(capped, bottom), bottom, capped));
  Value shifted = let_("exp_t", mulAdd(clamped, constantLike(x, kLog2e), constantLike(x, kMagic)));
  Value n = let_("exp_n", shifted - constantLike(x, kMagic));
  Value high = let_("exp_rh", mulAdd(n, constantLike(x, -kLn2High), clamped));
  Value r = mulAdd(n, constantLike(x, -kLn2Low), high);
  if (low.expr() != nullptr) r = r + low;
  r = let_("exp_r", r);
  Value p;
  if (accuracy == Accuracy::Usual) {
    p = mulAdd(r * r, horner(r, q), r) + one;
  } else {
    // 1 + r as a sum of two, so that the last rounding is the only large one: 0.6 ulp instead of 0.95.
    Value lost = mulAdd(n, constantLike(x, -kLn2Low), high - r);
    Value small = mulAdd(r * r, horner(r, q), lost);
    Value sum = let_("exp_s", r + one);
    p = sum + ((one - sum + r) + small);
  }
  Value whole = let_("exp_i", bitsOf(shifted) - integerLike(x, 0x4B400000));
  Value half = let_("exp_h", binary(LoopOp::Ashr, whole, integerLike(x, 1)));
  return p * powerOfTwo(half) * powerOfTwo(whole - half);
}

Value MathFunctions::decay(const Value& x) const {
  constexpr float kLog2e = 1.44269504f;
  constexpr float kMagic = 12582912.0f + 127;  // rounds to an integer; the low bits are then the exponent field of 2^n
  constexpr float kLn2 = 0.693147182f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr std::array<float, 6> e = {8.28929525e-3f, 4.18978259e-2f, 0.166676521f, 0.499991506f, 0.999999702f, 1.0f};
  Value shifted = let_("decay_t", mulAdd(x, constantLike(x, kLog2e), constantLike(x, kMagic)));
  Value n = let_("decay_n", shifted - constantLike(x, kMagic));
  Value r = fma_ ? fmaOf(n, constantLike(x, -kLn2), x) : x - n * constantLike(x, kLn2High) - n * constantLike(x, kLn2Low);
  Value power = floatOf(binary(LoopOp::Shl, bitsOf(shifted), integerLike(x, 23)));
  // Beyond -126 ln 2 the power is no float; a NaN fails the comparison and comes out of the product.
  return selectOf(below(x, -87.33654f), constantLike(x, 0.0f), horner(let_("decay_r", r), e) * power);
}

Value MathFunctions::over(const Value& numerator, const Value& divisor, Accuracy accuracy) const {
  if (!fma_) return numerator / divisor;
  // The quadratic with the least relative error on [1, 2], 1/99 (a Chebyshev polynomial, scaled); two Newton steps square that
  // twice. Six multiply-adds, where a divide of 16 lanes takes the slots of sixteen.
  Value d = let_("div_d", divisor), one = constantLike(d, 1.0f), minus = let_("div_m", unary(LoopOp::Neg, d));
  Value r = let_("div_r", mulAdd(mulAdd(d, constantLike(d, 32.0f / 99), constantLike(d, -144.0f / 99)), d, constantLike(d, 210.0f / 99)));
  for (int step = 0; step < 2; ++step) r = let_("div_r", mulAdd(mulAdd(minus, r, one), r, r));
  if (accuracy == Accuracy::Usual) return numerator * r;
  Value n = let_("div_n", numerator), q = let_("div_q", n * r);
  return mulAdd(mulAdd(minus, q, n), r, q);
}

Value MathFunctions::log(const Value& x) const {
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr std::array<float, 10> q = {7.08590299e-2f, -0.117370196f, 0.117695831f,  -0.123885348f, 0.142335951f,
                                       -0.166693538f,  0.200014576f,  -0.249999791f, 0.333333224f,  -0.5f};
  constexpr float kInf = std::numeric_limits<float>::infinity();
  Value tiny = let_("log_tiny", below(x, 1.17549435e-38f));  // denormals: scaled by 2^23 first
  Value scaled = let_("log_x", selectOf(tiny, x * constantLike(x, 8388608.0f), x));
  // m in [sqrt 1/2, sqrt 2): subtracting the bits of sqrt(1/2) makes the exponent field floor(log2(x / sqrt(1/2))).
  Value offset = let_("log_o", bitsOf(scaled) - integerLike(x, 0x3F3504F3));
  Value exponent = binary(LoopOp::Ashr, offset, integerLike(x, 23)) - selectOf(tiny, integerLike(x, 23), integerLike(x, 0));
  Value mantissa = binary(LoopOp::And, offset, integerLike(x, 0x007FFFFF)) + integerLike(x, 0x3F3504F3);
  Value f = let_("log_f", floatOf(mantissa) - constantLike(x, 1.0f));
  Value e = let_("log_e", unary(LoopOp::ToF32, exponent));
  Value tail = mulAdd(f * f, horner(f, q), e * constantLike(x, kLn2Low));
  Value sum = mulAdd(e, constantLike(x, kLn2High), f + tail);
  Value good = selectOf(binary(LoopOp::Eq, x, constantLike(x, kInf)), x, sum);
  Value orZero = selectOf(binary(LoopOp::Eq, x, constantLike(x, 0.0f)), constantLike(x, -kInf), good);
  Value nan = constantLike(x, std::numeric_limits<float>::quiet_NaN());
  return selectOf(below(x, 0.0f), nan, selectOf(binary(LoopOp::Ne, x, x), x, orZero));
}

Value MathFunctions::tanh(const Value& x) const {
  if (lookups_) return oddOfTable(x, tanhTable());
  constexpr std::array<float, 6> p = {2.30532535e-3f, -8.37684516e-3f, 2.17899438e-2f, -5.39643579e-2f, 0.133333504f, -0.333333343f};
  Value a = let_("tanh_a", unary(LoopOp::Abs, x));
  Value square = let_("tanh_s", x * x);
  Value near = mulAdd(a * square, horner(square, p), a);
  Value e = let_("tanh_e", exp(let_("tanh_2a", unary(LoopOp::Neg, a + a))));
  Value far = constantLike(x, 1.0f) - over(e + e, e + constantLike(x, 1.0f));
  Value sign = binary(LoopOp::And, bitsOf(x), integerLike(x, INT32_MIN));
  return floatOf(binary(LoopOp::Or, bitsOf(selectOf(below(a, 0.65f), near, far)), sign));  // -0 stays -0
}

Value MathFunctions::erfNear(const Value& x) const {
  constexpr std::array<float, 7> p = {8.21992653e-5f, -8.10708618e-4f, 5.19789057e-3f, -2.68581267e-2f,
                                      0.112836719f,   -0.376126319f,   0.128379166f};
  Value square = let_("erf_s", x * x);
  return mulAdd(x, horner(square, p), x);
}

Value MathFunctions::erfcTail(const Value& a, const Value& low) const {
  // Fitted around 1.125, where gelu needs it most: there the exponent is small and its rounding harmless.
  constexpr float kErfcAtCentre = 0.111611769f;
  constexpr std::array<float, 10> q = {6.18359408e-8f, -8.14825569e-7f, 2.85849023e-6f, 1.78576538e-5f, -2.68396863e-4f,
                                       1.79997983e-3f, -8.85217544e-3f, 3.68416980e-2f, 0.857789814f,   2.85161662f};
  Value offset = a - constantLike(a, 1.125f);
  Value b = let_("erfc_b", low.expr() == nullptr ? offset : offset + low);
  // Beyond 9.5 erfc is below 2^-135: any exponent that large does, and a^2 grows for ever.
  Value exponent = selectOf(below(a, 9.5f), b * horner(b, q), a * a);
  return constantLike(a, kErfcAtCentre) * exp(let_("erfc_q", unary(LoopOp::Neg, exponent)));
}

Value MathFunctions::erf(const Value& x) const {
  Value a = let_("erf_a", unary(LoopOp::Abs, x));
  Value far = constantLike(x, 1.0f) - erfcTail(a);
  Value sign = binary(LoopOp::And, bitsOf(x), integerLike(x, INT32_MIN));
  return selectOf(below(a, 0.85f), erfNear(x), floatOf(binary(LoopOp::Or, bitsOf(far), sign)));
}

Value MathFunctions::sigmoid(const Value& x) const {
  // share / (1 + e), corrected for what 1 + e lost when it was rounded.
  Value one = constantLike(x, 1.0f);
  Value negative = let_("sig_neg", below(x, 0.0f));
  Value e = let_("sig_e", exp(let_("sig_n", unary(LoopOp::Neg, unary(LoopOp::Abs, x))), {}, Accuracy::High));
  Value sum = let_("sig_d", one + e);
  Value lost = e - (sum - one);
  Value s = let_("sig_s", over(selectOf(negative, e, one), sum, Accuracy::High));
  Value inverse = selectOf(negative, one - s, s);
  return s - s * (lost * inverse);
}

Value MathFunctions::relu(const Value& x) const {
  // max(x, 0) with x second where the comparison fails: a NaN stays.
  return selectOf(below(x, 0.0f), constantLike(x, 0.0f), x);
}

Value MathFunctions::productLow(const Value& a, const Value& b, const Value& product) const {
  if (fma_) return fmaOf(a, b, unary(LoopOp::Neg, product));
  // Halves of 12 bits have exact products (Dekker).
  auto upper = [&](const Value& v) { return let_("upper", floatOf(binary(LoopOp::And, bitsOf(v), integerLike(v, ~0xfff)))); };
  Value ah = upper(a), bh = upper(b);
  Value al = let_("lower", a - ah), bl = let_("lower", b - bh);
  return (ah * bh - product) + ah * bl + al * bh + al * bl;
}

Value MathFunctions::timesSigmoid(const Value& times, const Value& given, const Value& low) const {
  Value y = let_("sig_y", given);
  Value negative = let_("sig_neg", below(y, 0.0f));
  Value lowOfAbs = low.expr() == nullptr ? low : selectOf(negative, low, unary(LoopOp::Neg, low));
  Value e = let_("sig_e", exp(let_("sig_n", unary(LoopOp::Neg, unary(LoopOp::Abs, y))), lowOfAbs));
  Value share = selectOf(negative, e, constantLike(y, 1.0f));
  return over(times * share, constantLike(y, 1.0f) + e);
}

/// `low` where y is small enough for it to count; beyond, it may be Inf - Inf.
static Value lowNear(const Value& y, const Value& low) {
  return selectOf(below(unary(LoopOp::Abs, y), 128.0f), low, constantLike(y, 0.0f));
}

Value MathFunctions::geluOfTail(const Value& x, std::span<const float> logTail, std::span<const float> power, float end) const {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  // Negative x: x times zero, so that minus infinity is NaN as the formula has it.
  Value a = let_("gelu_a", unary(LoopOp::Abs, x)), positive = let_("gelu_p", selectOf(below(x, 0.0f), x * constantLike(x, 0.0f), x));
  Value b = let_("gelu_b", a - constantLike(x, 1.0f));
  // q = b logTail(b) = n + f. Its rounding would show in the power: with fma the product is not rounded before n is taken off,
  // without, the large part of it is exact.
  Value shifted, f;
  if (fma_) {
    Value slope = let_("gelu_q", horner(b, logTail));
    shifted = let_("gelu_t", fmaOf(b, slope, constantLike(x, kMagic)));
    f = let_("gelu_f", fmaOf(b, slope, constantLike(x, kMagic) - shifted));
  } else {
    float steepHigh = std::bit_cast<float>(std::bit_cast<uint32_t>(logTail.back()) & ~0xfffu);
    std::vector<float> rest(logTail.begin(), logTail.end());
    rest.back() -= steepHigh;
    Value high = let_("gelu_bh", floatOf(binary(LoopOp::And, bitsOf(b), integerLike(x, ~0xfff))));
    Value large = let_("gelu_l", high * constantLike(x, steepHigh));
    Value small = let_("gelu_s", (b - high) * constantLike(x, steepHigh) + b * horner(b, rest));
    shifted = let_("gelu_t", large + small + constantLike(x, kMagic));
    f = let_("gelu_f", large - (shifted - constantLike(x, kMagic)) + small);
  }
  Value tail = floatOf(bitsOf(horner(f, power)) + binary(LoopOp::Shl, bitsOf(shifted), integerLike(x, 23)));
  return selectOf(below(a, end), mulAdd(unary(LoopOp::Neg, a), tail, positive), positive);
}

Value MathFunctions::tableValue(const Value& a, const TailTable& table) const {
  constexpr float kMagic = 12582912.0f;
  constexpr size_t kEntries = 32;
  Value shifted = let_("h_s", mulAdd(a, constantLike(a, 1.0f / table.width), constantLike(a, kMagic)));
  Value t = let_("h_t", mulAdd(shifted - constantLike(a, kMagic), constantLike(a, -table.width), a));
  Value interval = let_("h_k", bitsOf(shifted)), sum;
  for (size_t at = table.terms.size(); at > 0; at -= kEntries) {
    Value term = lookupOf(interval, table.terms.subspan(at - kEntries, kEntries));
    sum = sum.expr() == nullptr ? term : mulAdd(sum, t, term);
  }
  return sum;
}

Value MathFunctions::oddOfTable(const Value& x, const TailTable& table) const {
  Value a = let_("odd_a", unary(LoopOp::Abs, x)), end = constantLike(x, table.end);
  Value capped = let_("odd_c", selectOf(lessThan(end, a), end, a));  // a NaN stays
  Value sign = binary(LoopOp::And, bitsOf(x), integerLike(x, INT32_MIN));
  return floatOf(binary(LoopOp::Or, bitsOf(tableValue(capped, table)), sign));
}

Value MathFunctions::geluOfTable(const Value& x, const TailTable& table) const {
  // Negative x: x times zero, so that minus infinity is NaN as the formula has it.
  Value a = let_("gelu_a", unary(LoopOp::Abs, x)), positive = let_("gelu_p", selectOf(below(x, 0.0f), x * constantLike(x, 0.0f), x));
  return selectOf(below(a, table.end), positive - tableValue(a, table), positive);
}

Value MathFunctions::geluErf(const Value& x) const {
  if (lookups_) return geluOfTable(x, geluErfTail());
  // log2(Phi(-a) / Phi(-1)) / (a - 1), in a - 1; Phi(-1) 2^f
  constexpr std::array<float, 9> logTail = {3.5335509e-07f,  -3.9578335e-06f,  1.5398417e-05f,   1.5092262e-05f,  -5.8457977e-04f,
                                            4.76016849e-03f, -2.81169545e-02f, -5.77728987e-01f, -2.20030499e+00f};
  constexpr std::array<float, 7> power = {2.33618866e-05f, 2.12706887e-04f, 1.52647239e-03f, 8.80585052e-03f,
                                          3.81131321e-02f, 1.09971449e-01f, 1.58655256e-01f};
  return geluOfTail(x, logTail, power, 7.0f);
}

Value MathFunctions::geluSigmoid(const Value& x) const {
  if (lookups_) return geluOfTable(x, geluSigmoidTail());
  constexpr float kLow = -2.19345093e-8f;  // 1.702 less its f32 rounding
  Value scale = constantLike(x, 1.702f);
  Value y = let_("gelu_y", x * scale);
  Value low = let_("gelu_l", mulAdd(x, constantLike(x, kLow), productLow(x, scale, y)));
  return timesSigmoid(x, y, let_("gelu_ll", lowNear(y, low)));
}

Value MathFunctions::geluTanh(const Value& x) const {
  if (lookups_) return geluOfTable(x, geluTanhTail());
  // The same of (1 - tanh(sqrt(2/pi) (a + 0.044715 a^3))) / 2.
  constexpr std::array<float, 12> logTail = {-1.17273949e-07f, 9.3720854e-07f,   6.11698226e-07f,  -2.28871850e-05f,
                                             2.90602109e-05f,  2.32268038e-04f,  -2.08204903e-04f, -3.04875453e-03f,
                                             -2.99152161e-04f, -3.13228294e-02f, -5.75422943e-01f, -2.19638419e+00f};
  constexpr std::array<float, 7> power = {2.5388068e-05f,  2.12839324e-04f, 1.52705156e-03f, 8.81435350e-03f,
                                          3.81499418e-02f, 1.10077329e-01f, 1.58808008e-01f};
  return geluOfTail(x, logTail, power, 6.0f);
}

}  // namespace quern
