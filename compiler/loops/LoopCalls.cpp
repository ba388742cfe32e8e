// compiler/loops/LoopCalls.cpp — see LoopCalls.h.
#include "compiler/loops/LoopCalls.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

/// "broadcast16" -> 16 where `name` starts with `prefix` and a lane count follows; 0 otherwise.
static int lanesOf(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  auto lanes = parseInt(std::string_view(name).substr(prefix.size()));
  return lanes && *lanes >= 1 && *lanes <= 64 ? static_cast<int>(*lanes) : 0;
}

static bool classifyByTable(LoopExpr& e, const std::string& name) {
  for (int i = 1; i <= static_cast<int>(LoopOp::Decay); ++i) {
    auto op = static_cast<LoopOp>(i);
    if (nameOf(op) != name) continue;
    e.op = op;
    bool cast = op >= LoopOp::ToF32 && op <= LoopOp::F32Half;
    e.kind = op <= LoopOp::Sqrt ? LoopExpr::Kind::Unary : cast ? LoopExpr::Kind::Cast : LoopExpr::Kind::Call;
    if (op == LoopOp::ToF32 || op == LoopOp::BitsF32 || op == LoopOp::HalfF32) e.type.scalar = Scalar::F32;
    if (op == LoopOp::BitsI32 || op == LoopOp::F32Half) e.type.scalar = Scalar::I32;
    if (op == LoopOp::ToI64) e.type.scalar = Scalar::I64;
    return e.kind != LoopExpr::Kind::Call || op >= LoopOp::Exp;
  }
  return false;
}

bool classifyCall(LoopExpr& e, const std::string& name) {
  LoopType first = e.args[0]->type;
  e.type = first;
  size_t count = e.args.size();
  if (name == "fma" && count == 3) return e.kind = LoopExpr::Kind::Fma, true;
  if (name == "select" && count == 3) return e.kind = LoopExpr::Kind::Select, e.type = e.args[1]->type, true;
  if (name == "shuffle" && count == 2 && !e.pattern.empty())
    return e.kind = LoopExpr::Kind::Shuffle, e.type.lanes = static_cast<int>(e.pattern.size()), true;
  if (name == "lookup" && count == 1 && !e.table.empty()) return e.kind = LoopExpr::Kind::Lookup, e.type.scalar = Scalar::F32, true;
  if (name == "masked" && count == 2 && e.args[0]->kind == LoopExpr::Kind::Load) {
    LoopExpr load = *e.args[0];
    load.masked = true;
    load.args.push_back(e.args[1]);
    return e = std::move(load), true;
  }
  if ((name == "max" || name == "min") && count == 2)
    return e.kind = LoopExpr::Kind::Binary, e.op = name == "max" ? LoopOp::Max : LoopOp::Min, true;
  if (count != 1) return false;
  if (int lanes = lanesOf(name, "broadcast")) return e.kind = LoopExpr::Kind::Broadcast, e.type.lanes = lanes, true;
  if (int lanes = lanesOf(name, "mask")) return e.kind = LoopExpr::Kind::Mask, e.type = {Scalar::Bool, lanes}, true;
  for (LoopOp op : {LoopOp::Add, LoopOp::Max, LoopOp::Min})
    if (name == (op == LoopOp::Add ? "reduce_add" : fmt::format("reduce_{}", nameOf(op))))
      return e.kind = LoopExpr::Kind::Reduce, e.op = op, e.type.lanes = 1, true;
  return classifyByTable(e, name);
}

}  // namespace quern
