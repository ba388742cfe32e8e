// compiler/op/Activation.h — what one file of activations/ holds: a function of one float, everything that is known of it.
//
// A new one is a header there and a word in meson.build's list. struct NAME in namespace maths has
//   kInfo        name, formula, derivative, bounds
//   exact        the function in double, within 2^-40
//   slopeError   the most it changes when its argument moves by e around x, where it is v: how errors grow through expressions
//   kShortcut    optional: where it needs no libm
//   expand       branch-free vector arithmetic, for any lane count, with what loops/maths/MathFunctions.h offers. Every float is taken:
//                NaN gives NaN, Inf and overflow are as the formula says, denormal results are rounded once more
// The tests hold each against its bounds on every level, its derivative and its shortcut against `exact`.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace quern {

struct ActivationInfo {
  std::string_view name;        ///< in expressions, loop programs, ops
  std::string_view formula;     ///< for people
  std::string_view derivative;  ///< in x, in the expression language
  int flops = 1;                ///< operations of the formula itself, not those of its polynomial
  /// What a kernel may err at the exact value v, in ulp (0: the rounded value and no other): compiler/README.md, Error limits. `tiny`: an
  /// error of that much is allowed anywhere; 0: where v is no normal float 2^-126 is.
  double ulps = 2, tiny = 0;
  /// What `expand` is declared to err, in ulp: with fma, without, and where 32 table entries are looked up by one instruction.
  struct {
    double fma, plain, lookups;
  } own = {};
  std::string_view form;        ///< how it is computed
  std::string_view lookupForm;  ///< where table entries are looked up; empty: the same
  bool internal = false;        ///< of loop programs only
  int together = 1;             ///< vectors that a map computes at once by default, where registers are few: more for one long chain
};

enum class Beyond : uint8_t { Zero, One, MinusOne, Argument, Infinity };

/// The three quarters of all floats where a function needs no libm: |x| <= 2^-10, and beyond `low` and `high`.
///
///   near       the Taylor polynomial of degree 4; the next term is below 2^-42 of the value
///   x <= low   f(x) is within 2^-200 of 0, or within 2^-54 of -1
///   x >= high  f(x) is within 2^-54 of 1 or of x, or so far above every float that Inf is the only right answer
struct Shortcut {
  std::array<double, 5> near;
  double low;
  Beyond below;
  double high;
  Beyond above;
};

namespace maths {
/// The slopeError of a function that only rises, in steps or otherwise.
template <class Fn>
double slopeOfRising(double x, double v, double e) {
  return std::max(Fn::exact(x + e) - v, v - Fn::exact(x - e));
}
inline constexpr double kSqrt2OverPi = 0.79788456080286535588, kTwoOverSqrtPi = 1.12837916709551257390;
inline constexpr std::string_view kGeluTail = "max(x, 0) - |x| 2^q(|x|), q a polynomial, 2^f another";
inline constexpr std::string_view kGeluTable = "max(x, 0) - h(|x|), h a polynomial for each of 32 intervals";
}  // namespace maths

}  // namespace quern
