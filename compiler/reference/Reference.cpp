// compiler/reference/Reference.cpp — dispatch and comparison.
#include "compiler/reference/Reference.h"

#include "compiler/base/Check.h"
#include "compiler/reference/OpReferences.h"

#include <cmath>
#include <limits>

namespace quern {

ReferenceResult unseen(const TensorSpec& out) {
  auto count = static_cast<size_t>(out.elements());
  return {std::vector<double>(count), std::vector<double>(count, std::numeric_limits<double>::quiet_NaN())};
}

ReferenceResult reference(const OpDesc& op, std::span<const TensorData> inputs, DataKind kind, const ReferenceScope& scope) {
  return std::visit([&](const auto& o) { return referenceOf(o, inputs, kind, scope); }, op);
}

/// Error over limit of one element; NaN must meet NaN and Inf the same Inf.
static double ratioOf(double expected, double limit, double actual) {
  if (std::isnan(limit) && !std::isnan(expected)) return 0;
  if (std::isnan(expected)) return std::isnan(actual) ? 0 : INFINITY;
  if (std::isnan(actual)) return INFINITY;
  if (static_cast<double>(static_cast<float>(expected)) == actual) return 0;
  if (std::isinf(expected)) return std::isinf(limit) ? 0 : INFINITY;  // the same Inf has passed above
  if (std::isinf(actual)) {
    // A finite value too large for f32 rounds to Inf.
    return std::fabs(expected) + limit > 0x1.fffffep127 && std::signbit(expected) == std::signbit(actual) ? 0 : INFINITY;
  }
  double error = std::fabs(actual - expected);
  // A limit above zero allows rounding, and the smallest unit to round to is that of the denormals.
  return limit > 0 ? error / (limit + 0x1p-149) : INFINITY;
}

Comparison compare(const ReferenceResult& expected, std::span<const float> actual) {
  QUERN_CHECK(expected.value.size() == actual.size());
  Comparison result;
  result.elements = static_cast<int64_t>(actual.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (expected.value[i] == 0) ++result.zeros;
    double ratio = ratioOf(expected.value[i], expected.limit[i], actual[i]);
    if (ratio > result.worst || result.worstAt < 0) {
      result.worst = ratio;
      result.worstAt = static_cast<int64_t>(i);
    }
  }
  return result;
}

}  // namespace quern
