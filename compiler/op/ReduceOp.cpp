// compiler/op/ReduceOp.cpp — see ReduceOp.h.
#include "compiler/op/ReduceOp.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

namespace quern {

static const std::vector<std::string>& fnNames() {
  static const std::vector<std::string> names = {"sum", "mean", "max", "min", "prod"};
  return names;
}

OpDoc ReduceOp::doc() {
  return {"x=SHAPE axis=0|0,2|all f=sum|mean|max|min|prod [keepdims=1]", "f over the axes, which disappear, or with keepdims=1 become 1",
          "x"};
}

/// axis=1, axis=0,-1 or axis=all (empty).
static std::vector<int> takeAxes(KeyReader& reader) {
  auto word = reader.take("axis");
  if (!word) reader.fail("axis= is missing");
  if (!word || *word == "all") return {};
  std::vector<int> axes;
  for (const std::string& part : split(*word, ',')) {
    auto axis = parseInt(part);
    if (!axis || std::abs(*axis) > 64) {
      reader.fail(fmt::format("axis={} is not an axis, nor a list such as 0,2, nor all", escaped(*word)));
      return {};
    }
    axes.push_back(static_cast<int>(*axis));
  }
  return axes;
}

ReduceOp ReduceOp::read(KeyReader& reader) {
  ReduceOp op;
  op.x = takeShape(reader, "x");
  op.axes = takeAxes(reader);
  if (!reader.has("f")) reader.fail("f= is missing; sum, mean, max, min or prod");
  op.fn = static_cast<ReduceFn>(reader.takeChoice("f", fnNames()));
  op.keepDims = reader.takeInt("keepdims", 0, 0, 1) != 0;
  return op;
}

void ReduceOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

std::string ReduceOp::axesText() const { return axes.empty() ? "all" : fmt::format("{}", fmt::join(axes, ",")); }

std::vector<bool> ReduceOp::reduced() const {
  std::vector<bool> which(x.size(), axes.empty());
  for (int axis : axes) which[axisOf(axis, x.size())] = true;
  return which;
}

int64_t ReduceOp::rowLength() const {
  std::vector<bool> which = reduced();
  int64_t length = 1;
  for (size_t i = x.size(); i > 0 && (i == x.size() || which[i - 1]); --i) {
    if (x[i - 1].any()) return Dim::kAny;
    length *= x[i - 1].value;
    if (!which[i - 1]) break;
  }
  return length;
}

KeyValues ReduceOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  out.set("axis", axesText());
  out.set("f", fnNames()[static_cast<size_t>(fn)]);
  if (keepDims) out.set("keepdims", "1");
  return out;
}

Result<void> ReduceOp::validate() const {
  if (auto good = checkShape("reduce: x", x); !good) return good;
  for (int axis : axes)
    if (auto good = checkAxis("reduce", axis, x); !good) return good;
  std::vector<bool> which = reduced();
  if (std::count(which.begin(), which.end(), true) < static_cast<std::ptrdiff_t>(axes.size()))
    return badCommand(fmt::format("reduce: axis={} of x={} names an axis twice", axesText(), text(x)));
  bool needsOne = fn == ReduceFn::Max || fn == ReduceFn::Min;
  for (size_t i = 0; i < x.size(); ++i)
    if (needsOne && which[i] && x[i].value == 0)
      return badCommand(fmt::format("reduce: f={} over an axis of 0 elements has no value", fnNames()[static_cast<size_t>(fn)]));
  return {};
}

std::vector<TensorSpec> ReduceOp::inputs() const { return {{"x", ElementType::F32, shapeDims(x), false}}; }

TensorSpec ReduceOp::output() const {
  TensorSpec out{"out", ElementType::F32, {}, false};
  std::vector<TensorDim> dims = shapeDims(x);
  std::vector<bool> which = reduced();
  for (size_t i = 0; i < dims.size(); ++i)
    if (!which[i]) out.dims.push_back(dims[i]);
    else if (keepDims) out.dims.push_back({"one", 1});
  return out;
}

ReduceOp ReduceOp::fixed(const DimValues& values) const {
  ReduceOp op = *this;
  op.x = fixedShape(x, values);
  return op;
}

double ReduceOp::flops() const { return static_cast<double>(inputs()[0].elements()); }

ReduceOp ReduceOp::withRuntimeDims() const {
  ReduceOp op = *this;
  op.x = runtimeShape(x);
  return op;
}

}  // namespace quern
