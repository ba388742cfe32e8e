// compiler/reference/Reference.h — every op as plain loops in double, with the error its kernels may make: the oracle.
#pragma once

#include "compiler/op/OpDesc.h"
#include "compiler/reference/Sample.h"

#include <span>
#include <vector>

namespace quern {

/// eps = 2^-23, u = 2^-24: the units of the error limits.
inline constexpr double kEps = 1.0 / (1 << 23);
inline constexpr double kU = 1.0 / (1 << 24);

/// What is known of the inputs; it decides which limit holds (compiler/README.md, Error limits).
enum class DataKind : uint8_t {
  ZeroMean,  ///< uniform in [-1, 1]: sums err by a few eps of sum|x|
  Any,       ///< nothing: the a priori bounds
  Integer,   ///< small whole numbers: sums are exact, 0 differing bits
};

/// One operand, dense row-major, f32 or i32 as the op's spec says.
struct TensorData {
  const void* data = nullptr;
  std::vector<int64_t> shape;

  const float* f32() const { return static_cast<const float*>(data); }
  const int32_t* i32() const { return static_cast<const int32_t*>(data); }
};

/// The exact result, and per element how far a kernel may be from it. A limit of NaN: any value is right (a weight that
/// underflows in f32 but not in double, times an infinite value), or nobody looked.
struct ReferenceResult {
  std::vector<double> value, limit;
};

/// All dimensions of `op` are known and `inputs` have its shapes (the C of acc=1 included).
/// Cost     at most about scope.mostWork, or one row (of a matmul: a few columns of four rows).
ReferenceResult reference(const OpDesc& op, std::span<const TensorData> inputs, DataKind kind, const ReferenceScope& scope = {});

/// How `actual` compares with the reference.
struct Comparison {
  double worst = 0;  ///< largest error / limit; Inf where NaN or Inf are not where they belong
  int64_t worstAt = -1;
  int64_t elements = 0;
  int64_t zeros = 0;  ///< expected values that are zero: a test of more than half of them tests nothing
};
Comparison compare(const ReferenceResult& expected, std::span<const float> actual);

}  // namespace quern
