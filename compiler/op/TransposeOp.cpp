// compiler/op/TransposeOp.cpp — see TransposeOp.h.
#include "compiler/op/TransposeOp.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

OpDoc TransposeOp::doc() { return {"x=SHAPE [perm=1,0]", "axes in the order of perm; without it reversed", "x"}; }

TransposeOp TransposeOp::read(KeyReader& reader) {
  TransposeOp op;
  op.x = takeShape(reader, "x");
  auto perm = reader.take("perm");
  if (!perm) {
    for (size_t i = op.x.size(); i > 0; --i) op.perm.push_back(static_cast<int>(i - 1));
    return op;
  }
  for (const std::string& part : split(*perm, ',')) {
    auto axis = parseInt(part);
    if (!axis || *axis < 0 || *axis >= static_cast<int64_t>(kMaxRank)) {
      reader.fail(fmt::format("perm={} is not a list of axes such as 1,0", escaped(*perm)));
      return op;
    }
    op.perm.push_back(static_cast<int>(*axis));
  }
  return op;
}

void TransposeOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

static std::string permText(const std::vector<int>& perm) { return fmt::format("{}", fmt::join(perm, ",")); }

KeyValues TransposeOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  if (!perm.empty()) out.set("perm", permText(perm));
  return out;
}

Result<void> TransposeOp::validate() const {
  if (auto good = checkShape("transpose: x", x); !good) return good;
  std::vector<int> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool good = sorted.size() == x.size();
  for (size_t i = 0; good && i < sorted.size(); ++i) good = sorted[i] == static_cast<int>(i);
  if (!good)
    return badCommand(fmt::format("transpose: perm={} is not a permutation of the {} axes of x={}", permText(perm), x.size(), text(x)));
  return {};
}

std::vector<TensorSpec> TransposeOp::inputs() const { return {{"x", ElementType::F32, shapeDims(x), false}}; }

TensorSpec TransposeOp::output() const {
  std::vector<TensorDim> from = shapeDims(x);
  TensorSpec out{"out", ElementType::F32, {}, false};
  for (int axis : perm) out.dims.push_back(from[static_cast<size_t>(axis)]);
  return out;
}

TransposeOp TransposeOp::fixed(const DimValues& values) const {
  TransposeOp op = *this;
  op.x = fixedShape(x, values);
  return op;
}

TransposeOp TransposeOp::withRuntimeDims() const {
  TransposeOp op = *this;
  op.x = runtimeShape(x);
  return op;
}

}  // namespace quern
