// compiler/loops/ops/MatmulEpilogue.cpp — see MatmulEpilogue.h.
#include "compiler/loops/ops/MatmulEpilogue.h"

namespace quern {

void MatmulEpilogue::operand(const TensorSpec& spec, bool dense) {
  bool strided = spec.name == "residual" && !dense;
  operands_.push_back({spec, strided ? build_.strided(spec, BufferRole::In) : build_.dense(spec, BufferRole::In)});
}

bool MatmulEpilogue::runsLater() const {
  constexpr double kFewOperations = 4;
  return any() && flopsOf(*op_.ep) > kFewOperations;
}

Value MatmulEpilogue::of(const Value& x, const std::vector<Value>& full, int lanes, const Value* mask) {
  LoopBuilder& b = build_.b;
  return build_.scalarExpr(*op_.ep, lanes, [&](const std::string& name) {
    if (name == "x") return x;
    for (const auto& [spec, buffer] : operands_) {
      if (spec.name != name) continue;
      std::vector<Value> at;
      size_t rank = spec.dims.size();
      for (size_t i = 0; i < rank; ++i) at.push_back(spec.dims[i].name == "one" ? Value(0) : full[full.size() - rank + i]);
      bool vector = rank > 0 && spec.dims.back().name != "one";
      return vector ? b.load(buffer, at, lanes, mask) : broadcast(b.load(buffer, at, 1), lanes);
    }
    return Value();
  });
}

}  // namespace quern
