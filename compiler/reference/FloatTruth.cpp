// compiler/reference/FloatTruth.cpp — see FloatTruth.h.
#include "compiler/reference/FloatTruth.h"

#include "compiler/base/Check.h"
#include "compiler/reference/ScalarReference.h"

#include <array>
#include <cmath>
#include <limits>

namespace quern {

namespace {

// Where the 2^-40 goes. libm's exp, log, tanh, erf are within 2 ulp of double (2^-51), erfc within 5. The formulas around them
// magnify the rounding of their argument y by |y| in exp(y), |y| < 140 where exp(y) > 2^-200: 4 roundings make 2^-43; and by
// 2 z^2 in erfc(z), z < 12: 2^-43.
constexpr double kTruthError = 0x1p-40;
constexpr double kSmallestNormal = 0x1p-126;
constexpr double kNear = 0x1p-10;

constexpr double kSqrt2OverPi = 0.79788456080286535588, kTwoOverSqrtPi = 1.12837916709551257390;
constexpr double kCubic = 0.044715, kScale = 1.702;

enum class Beyond : uint8_t { Zero, One, MinusOne, Argument, Infinity };

/// The three quarters of all floats where a function needs no libm: |x| <= 2^-10, and beyond `low` and `high`.
///
///   near       the Taylor polynomial of degree 4; the next term is below 2^-42 of the value (that of tanh: 2/15 x^4; of erf:
///              x^4/10; of sigmoid: x^5/240; of exp: x^5/120; of the gelus and silu: below x^5 / 10)
///   x <= low   f(x) is within 2^-200 of 0, or within 2^-54 of -1
///   x >= high  f(x) is within 2^-54 of 1 or of x, or so far above every float that Inf is the only right answer
struct Shortcut {
  std::array<double, 5> near;
  double low;
  Beyond below;
  double high;
  Beyond above;
};

constexpr Shortcut kExp = {{1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24}, -150, Beyond::Zero, 89, Beyond::Infinity};
constexpr Shortcut kTanh = {{0, 1, 0, -1.0 / 3, 0}, -20, Beyond::MinusOne, 20, Beyond::One};
constexpr Shortcut kErf = {{0, kTwoOverSqrtPi, 0, -kTwoOverSqrtPi / 3, 0}, -6, Beyond::MinusOne, 6, Beyond::One};
constexpr Shortcut kSigmoid = {{0.5, 0.25, 0, -1.0 / 48, 0}, -150, Beyond::Zero, 40, Beyond::One};
constexpr Shortcut kSilu = {{0, 0.5, 0.25, 0, -1.0 / 48}, -150, Beyond::Zero, 40, Beyond::Argument};
constexpr Shortcut kGeluErf = {{0, 0.5, kSqrt2OverPi / 2, 0, -kSqrt2OverPi / 12}, -18, Beyond::Zero, 9, Beyond::Argument};
constexpr Shortcut kGeluTanh = {
    {0, 0.5, kSqrt2OverPi / 2, 0, kSqrt2OverPi / 2 * (kCubic - kSqrt2OverPi * kSqrt2OverPi / 3)}, -13, Beyond::Zero, 10, Beyond::Argument};
constexpr Shortcut kGeluSigmoid = {{0, 0.5, kScale / 4, 0, -kScale* kScale* kScale / 48}, -90, Beyond::Zero, 24, Beyond::Argument};

constexpr const Shortcut* shortcutOf(ScalarFn fn) {
  switch (fn) {
    case ScalarFn::Exp: return &kExp;
    case ScalarFn::Tanh: return &kTanh;
    case ScalarFn::Erf: return &kErf;
    case ScalarFn::Sigmoid: return &kSigmoid;
    case ScalarFn::Silu: return &kSilu;
    case ScalarFn::GeluErf: return &kGeluErf;
    case ScalarFn::GeluTanh: return &kGeluTanh;
    case ScalarFn::GeluSigmoid: return &kGeluSigmoid;
    default: return nullptr;
  }
}

constexpr bool isGated(ScalarFn fn) { return fn >= ScalarFn::Silu; }

double valueBeyond(Beyond what, double x) {
  switch (what) {
    case Beyond::Zero: return 0;
    case Beyond::One: return 1;
    case Beyond::MinusOne: return -1;
    case Beyond::Argument: return x;
    case Beyond::Infinity: break;
  }
  return std::numeric_limits<double>::infinity();
}

template <ScalarFn kFn>
double exactOf(double x) {
  if constexpr (constexpr const Shortcut* kShort = shortcutOf(kFn); kShort != nullptr) {
    const auto& c = kShort->near;
    if (std::fabs(x) <= kNear) return c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * c[4])));
    if (x >= kShort->high) return valueBeyond(kShort->above, x);
    if (x <= kShort->low && x >= -0x1p128) return valueBeyond(kShort->below, x);  // -Inf: the formula
  }
  double v = exactFn(kFn, x, 0);
  // Rounding a double's square root again gives the f32 rounding of the root itself: 53 >= 2 * 24 + 2 bits (Figueroa).
  return kFn == ScalarFn::Sqrt ? static_cast<double>(static_cast<float>(v)) : v;
}

constexpr bool hasOneAnswer(ScalarFn fn) {
  return fn == ScalarFn::Sqrt || fn == ScalarFn::Abs || fn == ScalarFn::Neg || fn == ScalarFn::Relu;
}

double lessOwnError(double limit, double exact) { return std::isfinite(exact) ? limit - kTruthError * std::fabs(exact) - 0x1p-200 : limit; }

template <ScalarFn kFn>
void fillOf(std::span<const float> x, double* exact, double* limit) {
  for (size_t i = 0; i < x.size(); ++i) {
    exact[i] = exactOf<kFn>(x[i]);
    limit[i] = hasOneAnswer(kFn) ? 0 : lessOwnError(ownLimit(kFn, exact[i]), exact[i]);
  }
}

void fillDecay(std::span<const float> x, double* exact, double* limit) {
  for (size_t i = 0; i < x.size(); ++i) {
    double v = exact[i] = exactOf<ScalarFn::Exp>(x[i]);
    limit[i] = lessOwnError(v < kSmallestNormal ? kSmallestNormal : (2 + 0.1 * std::fabs(x[i])) * 0x1p-23 * v, v);
  }
}

template <ScalarFn kFn>
FloatTruth truthFor() {
  // max(4 ulp, 2^-26) is 4 ulp from 2^-5 on.
  return {fillOf<kFn>, std::string(info(kFn).name), isGated(kFn) ? 0x1p-5 : kSmallestNormal, nullptr};
}

}  // namespace

FloatTruth truthOf(ScalarFn fn) {
  switch (fn) {
    case ScalarFn::Neg: return truthFor<ScalarFn::Neg>();
    case ScalarFn::Abs: return truthFor<ScalarFn::Abs>();
    case ScalarFn::Sqrt: return truthFor<ScalarFn::Sqrt>();
    case ScalarFn::Rsqrt: return truthFor<ScalarFn::Rsqrt>();
    case ScalarFn::Exp: return truthFor<ScalarFn::Exp>();
    case ScalarFn::Log: return truthFor<ScalarFn::Log>();
    case ScalarFn::Tanh: return truthFor<ScalarFn::Tanh>();
    case ScalarFn::Erf: return truthFor<ScalarFn::Erf>();
    case ScalarFn::Sigmoid: return truthFor<ScalarFn::Sigmoid>();
    case ScalarFn::Relu: return truthFor<ScalarFn::Relu>();
    case ScalarFn::Silu: return truthFor<ScalarFn::Silu>();
    case ScalarFn::GeluErf: return truthFor<ScalarFn::GeluErf>();
    case ScalarFn::GeluTanh: return truthFor<ScalarFn::GeluTanh>();
    case ScalarFn::GeluSigmoid: return truthFor<ScalarFn::GeluSigmoid>();
    default: break;
  }
  QUERN_CHECK_FOR(false, std::string(info(fn).name));
  return {};
}

FloatTruth truthOfDecay() {
  return {fillDecay, "decay", kSmallestNormal, [](float x) { return !(x > 0); }};
}

}  // namespace quern
