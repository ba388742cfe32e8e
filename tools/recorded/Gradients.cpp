// tools/recorded/Gradients.cpp — see Gradients.h.
#include "tools/recorded/Gradients.h"

#include "compiler/base/Check.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

std::vector<OpDesc> MatmulGradient::ops(int64_t m, int64_t k, int64_t n) {
  std::vector<OpDesc> made;
  for (const std::string& given : {fmt::format("matmul m={} n={} k={}", m, n, k), fmt::format("matmul m={} n={} k={} tb=1 acc=1", m, k, n),
                                   fmt::format("matmul m={} n={} k={} ta=1 acc=1", k, n, m)}) {
    auto op = parseOp(given);
    QUERN_CHECK_FOR(static_cast<bool>(op), given);
    made.push_back(*op);
  }
  return made;
}

Result<MatmulGradient> MatmulGradient::make(int64_t m, int64_t k, int64_t n, const Arrays& x, const KernelProvider& kernels) {
  MatmulGradient gradient;
  const Operand operands[3][3] = {
      {{x.a, {k}}, {x.b, {n}}, {x.c, {n}}}, {{x.gradC, {n}}, {x.b, {n}}, {x.gradA, {k}}}, {{x.a, {k}}, {x.gradC, {n}}, {x.gradB, {n}}}};
  std::vector<OpDesc> all = ops(m, k, n);
  for (size_t i = 0; i < all.size(); ++i) {
    auto kernel = kernels(all[i]);
    if (!kernel) return kernel.error();
    auto call = KernelCall::make(*kernel, {}, operands[i]);
    if (!call) return call.error();
    gradient.calls_.push_back(std::move(*call));
  }
  return gradient;
}

static void size(FloatArray& array, int64_t count) { array.assign(static_cast<size_t>(count), 0.0f); }
static void fill(FloatArray& array, float value) { std::fill(array.begin(), array.end(), value); }

Result<MatmulBackwardWorkload> MatmulBackwardWorkload::make(int64_t m, int64_t k, int64_t n, const KernelProvider& kernels) {
  MatmulBackwardWorkload w;
  for (auto* array : {&w.a, &w.gradA}) size(*array, m * k);
  for (auto* array : {&w.b, &w.gradB}) size(*array, k * n);
  for (auto* array : {&w.c, &w.gradC}) size(*array, m * n);
  auto gradient =
      MatmulGradient::make(m, k, n, {w.a.data(), w.b.data(), w.c.data(), w.gradA.data(), w.gradB.data(), w.gradC.data()}, kernels);
  if (!gradient) return gradient.error();
  w.gradient_ = std::move(*gradient);
  return w;  // moving vectors keeps their arrays where they are
}

void MatmulBackwardWorkload::iterate(bool zero) {
  gradient_.forward();
  fill(gradC, 1.0f);
  gradient_.backwardA();
  gradient_.backwardB();
  if (!zero) return;
  fill(gradA, 0.0f);
  fill(gradB, 0.0f);
}

Result<TwoLayerWorkload> TwoLayerWorkload::make(int64_t m, int64_t k, int64_t h, int64_t n, const KernelProvider& kernels) {
  TwoLayerWorkload w;
  size(w.x, m * k);
  size(w.w2, k * h);
  for (auto* array : {&w.w3, &w.gradW3}) size(*array, h * n);
  for (auto* array : {&w.h, &w.gradH}) size(*array, m * h);
  for (auto* array : {&w.out, &w.gradOut}) size(*array, m * n);
  // The recording stops at the second layer: the first one runs forward only, and its gradients have no arrays.
  auto first = MatmulGradient::make(m, k, h, {w.x.data(), w.w2.data(), w.h.data(), nullptr, nullptr, nullptr}, kernels);
  auto second =
      MatmulGradient::make(m, h, n, {w.h.data(), w.w3.data(), w.out.data(), w.gradH.data(), w.gradW3.data(), w.gradOut.data()}, kernels);
  if (!first) return first.error();
  if (!second) return second.error();
  w.first_ = std::move(*first);
  w.second_ = std::move(*second);
  return w;
}

void TwoLayerWorkload::iterate(bool zero) {
  first_.forward();
  second_.forward();
  fill(gradOut, 1.0f);
  second_.backwardA();
  second_.backwardB();
  if (!zero) return;
  fill(gradH, 0.0f);
  fill(gradW3, 0.0f);
}

}  // namespace quern
