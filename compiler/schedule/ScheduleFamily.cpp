// compiler/schedule/ScheduleFamily.cpp — see ScheduleFamily.h.
#include "compiler/schedule/ScheduleFamily.h"

#include <algorithm>

namespace quern {

bool hasFeature(const Target& target, std::string_view feature) {
  return std::find(target.features.begin(), target.features.end(), feature) != target.features.end();
}

bool hasAll(const Target& target, std::span<const std::string_view> features) {
  return std::all_of(features.begin(), features.end(), [&](std::string_view each) { return hasFeature(target, each); });
}

int64_t streamFor(int64_t stream, const OpDesc& op) {
  TensorSpec out = outputOf(op);
  if (stream <= 0 || std::any_of(out.dims.begin(), out.dims.end(), [](const TensorDim& dim) { return dim.any(); })) return stream;
  return out.elements() >= stream ? stream : 0;
}

static int64_t axisLength(const OpDesc& op) {
  TensorSpec input = inputsOf(op).back();
  for (const TensorSpec& spec : inputsOf(op))
    if (spec.dims.size() > input.dims.size()) input = spec;
  return input.dims.empty() ? 1 : input.dims.back().value;
}

int64_t rowLength(const OpDesc& op) {
  int64_t length = std::visit(
      [&](const auto& o) {
        if constexpr (requires { o.rowLength(); }) return o.rowLength();
        else return axisLength(op);
      },
      op);
  return length == Dim::kAny ? 256 : std::max<int64_t>(1, length);
}

int64_t rowsPerTask(const OpDesc& op) { return std::clamp<int64_t>(16384 / rowLength(op), 1, 1024); }

}  // namespace quern
