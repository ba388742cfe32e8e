// tools/recorded/Gradients.h — the gradient workloads of a recording: products and their backward passes, over our kernels.
#pragma once

#include "compiler/op/Workload.h"
#include "compiler/store/KernelCall.h"
#include "runtime/KernelProvider.h"
#include "runtime/Memory.h"

#include <vector>

namespace quern {

/// c = a b; then, for a gradient of c: grad_a += grad_c b^T, grad_b += a^T grad_c. One layer's forward and backward, bound
/// to arrays that stay where they are: a call makes no allocation.
/// Shapes   a [m,k], b [k,n], c [m,n]; row-major, dense; gradients as their arrays.
class MatmulGradient {
public:
  struct Arrays {
    float *a, *b, *c, *gradA, *gradB, *gradC;
  };
  /// Errors   what the provider says.
  static Result<MatmulGradient> make(int64_t m, int64_t k, int64_t n, const Arrays& arrays, const KernelProvider& kernels);
  /// The three products: c, grad_a, grad_b.
  static std::vector<OpDesc> ops(int64_t m, int64_t k, int64_t n);

  void forward() { calls_[0].run(); }
  void backwardA() { calls_[1].run(); }
  void backwardB() { calls_[2].run(); }

private:
  std::vector<KernelCall> calls_;
};

/// One recorded iteration: forward, gradient of ones, both backward products, gradients set to zero.
class MatmulBackwardWorkload {
public:
  static Result<MatmulBackwardWorkload> make(int64_t m, int64_t k, int64_t n, const KernelProvider& kernels);
  /// Leaves the gradients in place for checks when `zero` is false.
  void iterate(bool zero = true);

  FloatArray a, b, c, gradA, gradB, gradC;

private:
  MatmulGradient gradient_;
};

/// One recorded step: h = x w2; out = h w3; gradient of ones; grad_h = grad_out w3^T; grad_w3 = h^T grad_out; zero.
class TwoLayerWorkload {
public:
  static Result<TwoLayerWorkload> make(int64_t m, int64_t k, int64_t h, int64_t n, const KernelProvider& kernels);
  void iterate(bool zero = true);

  FloatArray x, w2, w3, h, out, gradOut, gradH, gradW3;

private:
  MatmulGradient first_, second_;
};

}  // namespace quern
