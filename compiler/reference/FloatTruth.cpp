// compiler/reference/FloatTruth.cpp — see FloatTruth.h.
#include "compiler/reference/FloatTruth.h"

#include "compiler/Activations.h"
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

template <class Fn>
double exactOf(double x) {
  if constexpr (requires { Fn::kShortcut; }) {
    constexpr Shortcut kShort = Fn::kShortcut;
    const auto& c = kShort.near;
    if (std::fabs(x) <= kNear) return c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * c[4])));
    if (x >= kShort.high) return valueBeyond(kShort.above, x);
    if (x <= kShort.low && x >= -0x1p128) return valueBeyond(kShort.below, x);  // -Inf: the formula
  }
  return Fn::exact(x);
}

double lessOwnError(double limit, double exact) { return std::isfinite(exact) ? limit - kTruthError * std::fabs(exact) - 0x1p-200 : limit; }

template <class Fn, ScalarFn kFn>
void fillOf(std::span<const float> x, double* exact, double* limit) {
  for (size_t i = 0; i < x.size(); ++i) {
    exact[i] = exactOf<Fn>(x[i]);
    limit[i] = Fn::kInfo.ulps == 0 ? 0 : lessOwnError(ownLimit(kFn, exact[i]), exact[i]);
  }
}

/// Operators of one argument: one answer is right.
template <ScalarFn kFn>
void fillOperator(std::span<const float> x, double* exact, double* limit) {
  for (size_t i = 0; i < x.size(); ++i) {
    double v = exactFn(kFn, x[i], 0);
    // Rounding a double's square root again gives the f32 rounding of the root itself: 53 >= 2 * 24 + 2 bits (Figueroa).
    exact[i] = kFn == ScalarFn::Sqrt ? static_cast<double>(static_cast<float>(v)) : v;
    limit[i] = 0;
  }
}

void fillDecay(std::span<const float> x, double* exact, double* limit) {
  for (size_t i = 0; i < x.size(); ++i) {
    double v = exact[i] = exactOf<maths::Exp>(x[i]);
    limit[i] = lessOwnError(v < kSmallestNormal ? kSmallestNormal : (2 + 0.1 * std::fabs(x[i])) * 0x1p-23 * v, v);
  }
}

template <class Fn, ScalarFn kFn>
FloatTruth truthFor() {
  constexpr const ActivationInfo& kInfo = Fn::kInfo;
  // max(4 ulp, 2^-26) is 4 ulp from 2^-5 on.
  return {fillOf<Fn, kFn>, std::string(kInfo.name), kInfo.tiny > 0 ? kInfo.tiny / kInfo.ulps * 0x1p23 : kSmallestNormal, nullptr};
}

template <ScalarFn kFn>
FloatTruth truthForOperator() {
  return {fillOperator<kFn>, std::string(info(kFn).name), kSmallestNormal, nullptr};
}

}  // namespace

FloatTruth truthOf(ScalarFn fn) {
  switch (fn) {
    case ScalarFn::Neg: return truthForOperator<ScalarFn::Neg>();
    case ScalarFn::Abs: return truthForOperator<ScalarFn::Abs>();
    case ScalarFn::Sqrt: return truthForOperator<ScalarFn::Sqrt>();
#define QUERN_FN(Name) \
  case ScalarFn::Name: return truthFor<maths::Name, ScalarFn::Name>();
      QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
    default: break;
  }
  QUERN_CHECK_FOR(false, std::string(info(fn).name));
  return {};
}

FloatTruth truthOfDecay() {
  return {fillDecay, "decay", kSmallestNormal, [](float x) { return !(x > 0); }};
}

}  // namespace quern
