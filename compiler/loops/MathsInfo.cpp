// compiler/loops/MathsInfo.cpp — the declared bounds and forms of MathFunctions.h.
#include "compiler/loops/MathFunctions.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace quern {

static constexpr std::string_view kGeluTail = "max(x, 0) - |x| 2^q(|x|), q a polynomial, 2^f another";
static constexpr std::string_view kGeluTable = "max(x, 0) - h(|x|), h a polynomial for each of 32 intervals";

static constexpr std::array<MathsInfo, 12> kInfos = {{
    {LoopOp::Exp, 1.0, 1.0, 1.0, false, "x = n ln2 + r, 2^n (1 + r + r^2 q(r)), q of degree 5 on |r| <= 0.3467", ""},
    {LoopOp::Log, 1.0, 1.0, 1.0, false, "x = 2^e m, m in [sqrt 1/2, sqrt 2), e ln2 + f + f^2 q(f), f = m - 1, q of degree 9", ""},
    {LoopOp::Tanh, 1.5, 1.5, 1.2, false, "x + x^3 p(x^2) below 0.65, else 1 - 2 / (exp(2x) + 1)",
     "a polynomial of degree 6 for each of 32 intervals of |x|"},
    {LoopOp::Erf, 1.2, 1.2, 1.2, false, "x + x p(x^2) below 0.85, else 1 - exp(-q(x)), q the fit of -log erfc on [0.83, 4.1]", ""},
    {LoopOp::Sigmoid, 2.0, 2.0, 2.0, false, "exp(-|x|) or 1, over 1 + exp(-|x|)", ""},
    {LoopOp::Rsqrt, 1.5, 1.5, 1.5, false, "1 / sqrt(x), both rounded", ""},
    {LoopOp::Silu, 3.7, 3.5, 1.4, true, "x times exp(-|x|) or 1, over 1 + exp(-|x|)", kGeluTable},
    {LoopOp::GeluErf, 3.0, 2.7, 1.4, true, kGeluTail, kGeluTable},
    {LoopOp::GeluTanh, 3.3, 2.8, 1.9, true, kGeluTail, kGeluTable},
    {LoopOp::GeluSigmoid, 3.8, 3.4, 1.6, true, "x sigmoid(1.702 x) with the product's rest", kGeluTable},
    {LoopOp::Relu, 0, 0, 0, false, "x where it is not below 0", ""},
    {LoopOp::Decay, 5.0, 2.5, 5.0, false, "exp of x <= 0: 2^n p(x - n ln2), p of degree 5; 0 below -126 ln2; within (2 + 0.1 |x|) eps", ""},
}};

std::span<const MathsInfo> mathsInfos() { return kInfos; }

const MathsInfo* findMathsInfo(LoopOp fn) {
  auto found = std::find_if(kInfos.begin(), kInfos.end(), [&](const MathsInfo& info) { return info.fn == fn; });
  return found == kInfos.end() ? nullptr : &*found;
}

std::string text(const MathsInfo& info, int lanes, bool fma, bool lookups) {
  double ulp = lookups ? info.ulpLookups : fma ? info.ulpFma : info.ulpPlain;
  std::string bound = info.orTiny ? fmt::format("max({:g} ulp, 2^-26)", ulp) : ulp == 0 ? "0 ulp" : fmt::format("{:g} ulp", ulp);
  return fmt::format("{}: {} lane{} here, any number; every float, {}; error <= {} (fma {:g}, without {:g}, by tables {:g} ulp)\n    {}",
                     nameOf(info.fn), lanes, lanes == 1 ? "" : "s", info.fn == LoopOp::Decay ? "not above 0" : "NaN, Inf and denormals too",
                     bound, info.ulpFma, info.ulpPlain, info.ulpLookups, lookups && !info.lookupForm.empty() ? info.lookupForm : info.form);
}

}  // namespace quern
