// compiler/reference/Reference.cpp — dispatch and comparison.
#include "compiler/reference/Reference.h"

#include "compiler/base/Check.h"
#include "compiler/op/BlockValues.h"
#include "compiler/reference/OpReferences.h"

#include <cmath>
#include <limits>

namespace quern {

ReferenceResult unseen(const TensorSpec& out) {
  auto count = static_cast<size_t>(out.elements());
  return {std::vector<double>(count), std::vector<double>(count, std::numeric_limits<double>::quiet_NaN())};
}

static void handOnBlock(std::span<double> value, std::span<double> limit) {
  double amax = 0;
  bool finite = true, seen = true;
  for (size_t i = 0; i < value.size(); ++i) {
    seen = seen && !(std::isnan(limit[i]) && !std::isnan(value[i]));
    finite = finite && std::isfinite(static_cast<float>(value[i]));
    amax = std::max(amax, std::fabs(value[i]) + limit[i]);
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (!seen) limit[i] = std::numeric_limits<double>::quiet_NaN();
    else if (!finite) value[i] = std::numeric_limits<double>::quiet_NaN();
    else limit[i] += amax * (1.0 / 254 + 0x1p-21) + CodedBlock::kLeast;
  }
}

void handOn(ElementType type, ReferenceResult& result) {
  if (type == ElementType::BF16)
    for (size_t i = 0; i < result.value.size(); ++i) result.limit[i] += 0x1p-8 * (std::fabs(result.value[i]) + result.limit[i]) + 0x1p-126;
  if (type != ElementType::Q8) return;
  constexpr size_t kBlock = CodedBlock::kElements;
  for (size_t at = 0; at + kBlock <= result.value.size(); at += kBlock)
    handOnBlock(std::span(result.value).subspan(at, kBlock), std::span(result.limit).subspan(at, kBlock));
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
